import { createStore, defineMutators, defineSchema, isCotableError, table, type Validator } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { mutatorsWith, schema } from './support.ts';

const row = table(z.object({ id: z.string() }));
const shape = { input: z.object({ id: z.string() }) };
/** What a program without types may hand in. */
const untyped = (definition: unknown): (() => unknown) => {
  const define: (definition: never) => unknown = defineSchema;
  return () => define(definition as never);
};

function pathOf(definition: unknown): string {
  try {
    untyped(definition)();
  } catch (error) {
    if (isCotableError(error, 'schema.invalid')) return error.params.path;
    throw error;
  }
  return '';
}

describe('a schema', () => {
  test('[SC1 A6] holds what was declared, and nothing can be put into it afterwards', () => {
    const definition = { schemaVersion: 3, tables: { rows: { schema: row } }, mutators: { put: shape } };
    const declared = defineSchema(definition);
    expect(declared).toMatchObject(definition);
    expect(declared.actions).toEqual({});
    expect(Object.isFrozen(declared)).toBe(true);
  });

  test('[SC2 A8 A29] keeps descriptions', () => {
    expect(schema.tables.notes.description).toBe('What people write');
    expect(schema.mutators.note.description).toBe('Writes a note');
    expect(schema.actions.answer.description).toBe('Answers a note');
    expect(schema.mutators.drop.description).toBeUndefined();
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', undefined])('[SC3] refuses version %s', (schemaVersion) => {
    expect(pathOf({ schemaVersion, tables: {}, mutators: {} })).toBe('schemaVersion');
  });

  test.each([
    ['nothing', ''],
    ['1st', '1st'],
    ['with space', 'with space'],
    ['with-dash', 'with-dash'],
    ['with.dot', 'with.dot'],
    ['ünï', 'ünï'],
    ['65 letters', 'a'.repeat(65)],
    ['then', 'then'],
    ['constructor', 'constructor'],
    ['__proto__', '__proto__'],
  ])('[SC4] refuses the name for a table, a mutator and an action: %s', (_, name) => {
    expect(pathOf({ schemaVersion: 1, tables: { [name]: { schema: row } }, mutators: {} })).toBe(`tables.${name}`);
    expect(pathOf({ schemaVersion: 1, tables: {}, mutators: { [name]: shape } })).toBe(`mutators.${name}`);
    expect(pathOf({ schemaVersion: 1, tables: {}, mutators: {}, actions: { [name]: { ...shape, output: shape.input } } })).toBe(
      `actions.${name}`,
    );
  });

  test('[SC4] takes any identifier of up to 64 letters, digits and underscores', () => {
    const names = ['a', '_', 'A1', 'toString', 'hasOwnProperty', 'name', 'length', 'a'.repeat(64)];
    const mutators = Object.fromEntries(names.map((name) => [name, shape]));
    expect(pathOf({ schemaVersion: 1, tables: Object.fromEntries(names.map((name) => [name, { schema: row }])), mutators })).toBe('');
  });

  test('[SC5] refuses what is no validator, and says where it stands', () => {
    const tables = { rows: { schema: row } };
    const mutators = { put: shape };
    for (const wrong of [undefined, null, {}, { '~standard': {} }, () => true, 'string']) {
      expect(pathOf({ schemaVersion: 1, tables: { rows: { schema: { ...row, row: wrong } } }, mutators })).toBe('tables.rows.schema');
      expect(pathOf({ schemaVersion: 1, tables, mutators: { put: { input: wrong } } })).toBe('mutators.put.input');
      expect(pathOf({ schemaVersion: 1, tables, mutators, actions: { run: { ...shape, output: wrong } } })).toBe('actions.run.output');
      expect(pathOf({ schemaVersion: 1, tables, mutators, actions: { run: { output: shape.input, input: wrong } } })).toBe(
        'actions.run.input',
      );
    }
    expect(pathOf({ schemaVersion: 1, tables: { rows: {} }, mutators })).toBe('tables.rows.schema');
  });

  test('[SC6] takes any Standard Schema', async () => {
    const text: Validator<string, string> = {
      '~standard': {
        version: 1,
        vendor: 'by hand',
        validate: (value) =>
          typeof value === 'string' ? { value: value.trim() } : { issues: [{ message: 'no text', path: [{ key: 'text' }] }] },
      },
    };
    const own = defineSchema({ schemaVersion: 1, tables: { rows: { schema: row } }, mutators: { put: { input: text } } });
    const store = createStore({
      schema: own,
      mutators: { put: (ctx, id) => ctx.table('rows').set(id, { id }) },
      room: 'room',
      storage: memoryClientStorage(),
      transports: [],
    });
    onTestFinished(() => store.close());
    await store.ready;
    await store.mutate.put(' a ');
    expect(store.table('rows').list()).toEqual([{ id: 'a' }]);
    const put: (input: never) => Promise<unknown> = store.mutate.put;
    await expect(put(1 as never)).rejects.toMatchObject({
      code: 'mutation.invalidInput',
      params: { name: 'put', issues: [{ message: 'no text', path: ['text'] }] },
    });
  });
});

describe('a validator that answers later', () => {
  const later = z.string().refine(async () => true);
  const own = defineSchema({
    schemaVersion: 1,
    tables: { rows: { schema: table(z.object({ id: later })) } },
    mutators: { put: { input: z.object({ id: z.string() }) }, ask: { input: z.object({ id: later }) } },
  });
  const mutators = defineMutators<typeof own>({
    put: (ctx, { id }) => ctx.table('rows').set(id, { id }),
    ask: (ctx, { id }) => ctx.table('rows').set(id, { id }),
  });

  test('[SC7] is refused when it is used, for an input and for a row, and nothing happens', async () => {
    const store = createStore({ schema: own, mutators, room: 'room', storage: memoryClientStorage(), transports: [] });
    onTestFinished(() => store.close());
    await store.ready;
    await expect(store.mutate.ask({ id: 'a' })).rejects.toMatchObject({
      code: 'schema.asyncValidator',
      params: { path: 'mutators.ask.input' },
    });
    await expect(store.mutate.put({ id: 'a' })).rejects.toMatchObject({
      code: 'schema.asyncValidator',
      params: { path: 'tables.rows.schema' },
    });
    expect(store.table('rows').count()).toBe(0);
    expect(store.status.pending).toBe(0);
  });
});

describe('functions and schema', () => {
  const missing = (name: string): object => ({
    code: 'schema.invalid',
    params: { path: `mutators.${name}`, problem: 'its function is missing' },
  });

  test('[SC8] a store and a relay refuse a mutator without a function', () => {
    const mutators = { ...mutatorsWith(), act: undefined } as unknown as ReturnType<typeof mutatorsWith>;
    const storage = memoryClientStorage();
    expect(() => createStore({ schema, mutators, room: 'room', storage, transports: [] })).toThrow(expect.objectContaining(missing('act')));
    expect(() => createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage() })).toThrow(
      expect.objectContaining(missing('act')),
    );
  });

  test('[SC8] what every object inherits is no function of a mutator', () => {
    const own = defineSchema({ schemaVersion: 1, tables: {}, mutators: { toString: shape } });
    const nothing: object = {};
    const mutators = nothing as { toString: () => void };
    expect(() => createStore({ schema: own, mutators, room: 'room', storage: memoryClientStorage(), transports: [] })).toThrow(
      expect.objectContaining(missing('toString')),
    );
    expect(() => createRelay({ backend: { schema: own, mutators }, storage: memoryRelayStorage() })).toThrow(
      expect.objectContaining(missing('toString')),
    );
  });

  test.each([
    ['nothing', ''],
    ['257 characters', 'r'.repeat(257)],
  ])('[SC9] a store refuses the name of a room: %s', (_, room) => {
    expect(() => createStore({ schema, mutators: mutatorsWith(), room, storage: memoryClientStorage(), transports: [] })).toThrow(
      expect.objectContaining({ code: 'room.invalidName' }),
    );
  });

  test('[SC10] a table that was not declared is refused by name', async () => {
    const store = createStore({ schema, mutators: mutatorsWith(), room: 'room', storage: memoryClientStorage(), transports: [] });
    onTestFinished(() => store.close());
    const table: (name: never) => unknown = store.table;
    for (const name of ['nothing', 'toString', '__proto__']) {
      expect(() => table(name as never)).toThrow(
        expect.objectContaining({ code: 'schema.invalid', params: { path: `tables.${name}`, problem: expect.any(String) } }),
      );
    }
  });
});
