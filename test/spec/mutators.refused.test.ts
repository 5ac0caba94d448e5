import { isCotableError, reject } from 'cotable';
import { describe, expect, test } from 'vitest';
import { collect, createWorld, rowsOf, type Act, type Ctx, type TestStore } from './support.ts';

const NOTHING = { notes: [['a', { id: 'a', title: 'A', stars: 0 }]], counters: [], things: [], records: [] };

/** A store with one note whose `act` does what the test says. */
async function withNote(act: Act): Promise<TestStore> {
  const store = createWorld().openOffline('alice', { act });
  await store.mutate.note({ id: 'a', title: 'A' });
  return store;
}

/** Makes the mutation, which must be refused, and what it was refused with; nothing may have happened. */
async function refusal(act: Act, input: unknown = null): Promise<unknown> {
  const store = await withNote(act);
  const changes = [...(['notes', 'counters', 'things'] as const)].map((name) => collect(store.table(name).changes$));
  const make: (input: never) => Promise<unknown> = store.mutate.act;
  const error: unknown = await make(input as never).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(rowsOf(store)).toEqual(NOTHING);
  expect(changes).toEqual([[], [], []]);
  expect(store.status.pending).toBe(1);
  return error;
}

const write = (ctx: Ctx): void => {
  ctx.table('notes').set('b', { id: 'b', title: 'B' });
  ctx.table('notes').update('a', { title: 'changed' });
  ctx.table('counters').set('a', { n: 1 });
};

describe('a mutator that throws', () => {
  test('[MU13] leaves nothing behind, in no table, however late it throws', async () => {
    const late = new TypeError('too late');
    const error = await refusal((ctx) => {
      write(ctx);
      throw late;
    });
    expect(error).toMatchObject({
      name: 'CotableError',
      code: 'mutation.failed',
      params: { name: 'act', reason: 'too late' },
      cause: late,
    });
  });

  test('[MU13] leaves nothing behind when it rejects', async () => {
    const late = new Error('too late');
    const error = await refusal(async (ctx) => {
      write(ctx);
      await ctx.table('notes').get('a');
      throw late;
    });
    expect(error).toMatchObject({ code: 'mutation.failed', cause: late });
  });

  test('[MU13] may throw anything', async () => {
    const error = await refusal(() => {
      throw 'a text';
    });
    expect(error).toMatchObject({ code: 'mutation.failed', params: { reason: 'a text' }, cause: 'a text' });
  });

  test('[MU14] by reject() refuses with the app’s own code and params', async () => {
    const error = await refusal((ctx) => {
      write(ctx);
      reject('chat.muted', { until: 5 });
    });
    expect(isCotableError(error, 'chat.muted') && error.params).toEqual({ until: 5 });
    expect(error).toMatchObject({ httpStatus: 400, message: 'chat.muted' });
  });

  test.each(['row.invalid', 'nodot', '', 'a.', '.b', 'a b.c'])(
    '[MU14] by reject() does not take "%s" for a code of the app’s own',
    async (code) => {
      expect(await refusal(() => reject(code))).toMatchObject({ code: 'mutation.failed', cause: expect.any(TypeError) });
    },
  );

  test('[MU15] can catch what a write threw: that write did not happen, and the rest does', async () => {
    const store = await withNote((ctx) => {
      ctx.table('notes').set('b', { id: 'b', title: 'B' });
      expect(() => ctx.table('notes').update('b', { title: 1 as never })).toThrow();
      expect(() => ctx.table('notes').update('c', {})).toThrow();
      expect(() => ctx.table('notes').set('c', { id: 'c', title: null as never })).toThrow();
    });
    await store.mutate.act(null);
    expect(
      store
        .table('notes')
        .entries()
        .map(([key, { title }]) => [key, title]),
    ).toEqual([
      ['a', 'A'],
      ['b', 'B'],
    ]);
  });
});

describe('what does not fit', () => {
  test('[MU16] a row is refused with its table, key and issues', async () => {
    const error = await refusal((ctx) => ctx.table('notes').set('b', { id: 'b', title: 1 as never, stars: 'many' as never }));
    expect(error).toMatchObject({ code: 'row.invalid', params: { table: 'notes', key: 'b' } });
    const issues = isCotableError(error, 'row.invalid') ? error.params.issues.map(({ path }) => path) : [];
    expect(issues).toEqual([['title'], ['stars']]);
  });

  test('[MU16] update is refused when what it makes of the row does not fit', async () => {
    expect(await refusal((ctx) => ctx.table('notes').update('a', { title: undefined }))).toMatchObject({
      code: 'row.invalid',
      params: { table: 'notes', key: 'a', issues: [{ path: ['title'] }] },
    });
  });

  test('[MU17] update of a row that is not there is row.notFound', async () => {
    const notFound = { code: 'row.notFound', params: { table: 'notes', key: 'gone' }, httpStatus: 404 };
    expect(await refusal((ctx) => ctx.table('notes').update('gone', { title: 'x' }))).toMatchObject(notFound);
    const deleted = await refusal((ctx) => {
      ctx.table('notes').delete('a');
      ctx.table('notes').update('a', { title: 'x' });
    });
    expect(deleted).toMatchObject({ code: 'row.notFound', params: { key: 'a' } });
  });

  test.each([
    ['empty', ''],
    ['513 characters', 'k'.repeat(513)],
    ['with U+001F', 'a\u001fb'],
    ['a number', 7],
  ])('[MU18] a row’s key is refused: %s', async (_, key) => {
    const invalid = { code: 'row.invalidKey', params: { table: 'counters', problem: expect.any(String) } };
    expect(await refusal((ctx) => ctx.table('counters').set(key as string, { n: 1 }))).toMatchObject(invalid);
    expect(await refusal((ctx) => void ctx.table('counters').get(key as string))).toMatchObject(invalid);
    expect(await refusal((ctx) => void ctx.table('counters').delete(key as string))).toMatchObject(invalid);
  });

  test('[MU18] any other text is a key', async () => {
    const keys = ['k'.repeat(512), ' ', '\u0000', '__proto__', 'constructor', 'a.b/c', '日本', '🐙', '\u001e'];
    const store = await withNote((ctx) => keys.forEach((key, n) => ctx.table('counters').set(key, { n })));
    await store.mutate.act(null);
    expect(keys.map((key) => store.table('counters').get(key)?.n)).toEqual(keys.map((_, n) => n));
    expect(store.table('counters').count()).toBe(keys.length);
  });

  test('[MU42] a field of more than 512 characters is refused, and one of 512 is not', async () => {
    const refused = await refusal((ctx) => ctx.table('records').set('a', { ['f'.repeat(513)]: 1 }));
    expect(refused).toMatchObject({
      code: 'value.notJson',
      params: { path: expect.stringMatching(/^records\.a\.f+$/), found: expect.any(String) },
    });
    const store = await withNote((ctx) => ctx.table('records').set('a', { ['f'.repeat(512)]: 1 }));
    await store.mutate.act(null);
    expect(store.table('records').count()).toBe(1);
  });

  test('[MU19] an input is refused with its issues', async () => {
    const store = await withNote(() => undefined);
    const note: (input: never) => Promise<unknown> = store.mutate.note;
    await expect(note({ id: 'b', title: 7 } as never)).rejects.toMatchObject({
      code: 'mutation.invalidInput',
      params: { name: 'note', issues: [{ path: ['title'], message: expect.any(String) }] },
    });
    await expect(note(undefined as never)).rejects.toMatchObject({ code: 'mutation.invalidInput' });
    expect(rowsOf(store)).toEqual(NOTHING);
  });

  test('[MU20] a mutation larger than a frame is refused, and the next one is not held up', async () => {
    const world = createWorld();
    const store = world.open('alice');
    const tooLarge = store.mutate.note({ id: 'b', title: 'x'.repeat(300_000) });
    await expect(tooLarge).rejects.toMatchObject({
      code: 'mutation.tooLarge',
      params: { name: 'note', limit: 256 * 1024 },
      httpStatus: 413,
    });
    await (
      await store.mutate.note({ id: 'a', title: 'x'.repeat(200_000) })
    ).confirmed;
    expect(
      store
        .table('notes')
        .list()
        .map(({ id }) => id),
    ).toEqual(['a']);
  });

  test('[MU21] a table that was not declared is refused by name', async () => {
    expect(await refusal((ctx) => void ctx.table('nothing' as never))).toMatchObject({
      code: 'schema.invalid',
      params: { path: 'tables.nothing' },
    });
  });
});
