import type { JsonValue } from 'cotable';
import { describe, expect, test } from 'vitest';
import { createWorld, kept, rowsOf, upToDate, type TestStore } from './support.ts';

/** A store whose `act` writes its input into a row. */
async function ready(): Promise<TestStore> {
  const store = createWorld().openOffline('alice', { act: (ctx, value) => ctx.table('things').set('k', { value }) });
  await store.ready;
  return store;
}

class Point {
  readonly x = 1;
}

function cycle(): unknown {
  const value: { self?: unknown } = {};
  value.self = value;
  return { at: value };
}

function deep(levels: number): JsonValue {
  let value: JsonValue = 'bottom';
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

const wrong: readonly (readonly [what: string, value: unknown, path: string])[] = [
  ['NaN', { a: [1, Number.NaN] }, 'a.1'],
  ['Infinity', { a: Number.POSITIVE_INFINITY }, 'a'],
  ['-Infinity', [Number.NEGATIVE_INFINITY], '0'],
  ['a function', { a: { b: () => 1 } }, 'a.b'],
  ['a symbol', { a: Symbol('s') }, 'a'],
  ['a bigint', { a: 1n }, 'a'],
  ['undefined in an array', { list: [1, undefined] }, 'list.1'],
  // oxlint-disable-next-line no-sparse-arrays -- a hole is what is meant
  ['a hole in an array', { list: [1, , 3] }, 'list.1'],
  ['a Date', { at: new Date() }, 'at'],
  ['a Map', { map: new Map() }, 'map'],
  ['a typed array', { bytes: new Uint8Array(2) }, 'bytes'],
  ['a class instance', { point: new Point() }, 'point'],
  ['an own key __proto__', { a: JSON.parse('{"__proto__": {"admin": true}}') as unknown }, 'a.__proto__'],
  ['an own key constructor', { constructor: 1 }, 'constructor'],
  ['an own key prototype', [{ prototype: 1 }], '0.prototype'],
];

describe('a value', () => {
  test.each(wrong)('[MU22] in a row is refused by its path: %s', async (_, value, path) => {
    const store = createWorld().openOffline('alice', { act: (ctx) => ctx.table('things').set('k', { value: value as JsonValue }) });
    const refused = store.mutate.act(null);
    await expect(refused).rejects.toMatchObject({
      code: 'value.notJson',
      params: { path: `things.k.value.${path}`, found: expect.any(String) },
    });
    expect(rowsOf(store)).toMatchObject({ things: [] });
  });

  test.each(wrong)('[MU23] in an input is refused by its path: %s', async (_, value, path) => {
    const store = await ready();
    await expect(store.mutate.act(value as JsonValue)).rejects.toMatchObject({ code: 'value.notJson', params: { path: `input.${path}` } });
    expect(store.status.pending).toBe(0);
  });

  test('[MU22] in a row is refused when it goes round in a circle', async () => {
    const store = await ready();
    await expect(store.mutate.act(cycle() as JsonValue)).rejects.toMatchObject({
      code: 'value.notJson',
      params: { path: expect.stringMatching(/^input\.at\.self\.self/), found: expect.stringContaining('cycle') },
    });
  });

  test('[MU24] may be 32 levels deep, and no deeper', async () => {
    const store = await ready();
    // The row and its field are two of them.
    await store.mutate.act(deep(31));
    expect(store.table('things').get('k')).toEqual({ value: deep(31) });
    await expect(store.mutate.act(deep(32))).rejects.toMatchObject({
      code: 'value.notJson',
      params: { found: expect.stringContaining('32') },
    });
    await expect(store.mutate.act(deep(100_000))).rejects.toMatchObject({ code: 'value.notJson' });
    expect(store.table('things').get('k')).toEqual({ value: deep(31) });
  });

  test('[MU25] that is plain JSON arrives as it was, everywhere', async () => {
    const world = createWorld();
    const alice = world.open('alice', { act: (ctx, value) => ctx.table('things').set('k', { value }) });
    const bob = world.open('bob');
    const value = {
      numbers: [0, -0, 1, -1, 0.1, 2 ** 31, -(2 ** 31), 2 ** 53, 1e300, 5e-324, Number.MAX_SAFE_INTEGER],
      texts: ['', 'a', '日本', '🐙', '\u0000', '\u001f', '"\\/'],
      empty: [{}, [], null, true, false],
      __type__: { toString: 'x', hasOwnProperty: 'y', valueOf: 1, '': 'empty key' },
    };
    await kept(alice.mutate.act(value));
    await upToDate(world, alice, bob);
    expect(alice.table('things').get('k')).toStrictEqual({ value });
    expect(bob.table('things').get('k')).toStrictEqual({ value });
  });

  test('[MU26] that is undefined is as though its key were not there', async () => {
    const store = await ready();
    await store.mutate.act({ a: undefined, b: { c: undefined } });
    expect(store.table('things').get('k')).toStrictEqual({ value: { b: {} } });
    await store.mutate.act({ b: {}, d: undefined });
    expect(store.status.pending).toBe(2);
  });

  test('[MU27] given as input is copied within the call, and stays the caller’s own', async () => {
    const store = await ready();
    const input = { list: [1, 2], nested: { text: 'before' } };
    const made = store.mutate.act(input);
    input.list.push(3);
    input.nested.text = 'after';
    await made;
    expect(store.table('things').get('k')).toEqual({ value: { list: [1, 2], nested: { text: 'before' } } });
    expect([Object.isFrozen(input), Object.isFrozen(input.list), Object.isFrozen(input.nested)]).toEqual([false, false, false]);
  });

  test('[MU27] given as input before the store is ready is copied within the call', async () => {
    const store = createWorld().openOffline('alice', { act: (ctx, value) => ctx.table('things').set('k', { value }) });
    const input = { text: 'before' };
    const made = store.mutate.act(input);
    input.text = 'after';
    await made;
    expect(store.table('things').get('k')).toEqual({ value: { text: 'before' } });
  });

  test('[MU28] given as a row is copied within the call, and stays the mutator’s own', async () => {
    const value = { list: [1] };
    const store = createWorld().openOffline('alice', {
      act(ctx) {
        ctx.table('things').set('k', { value });
        value.list.push(2);
      },
    });
    await store.mutate.act(null);
    expect(store.table('things').get('k')).toEqual({ value: { list: [1] } });
    expect(Object.isFrozen(value.list)).toBe(false);
  });
});
