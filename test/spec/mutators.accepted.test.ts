import type { JsonValue } from 'cotable';
import { describe, expect, test } from 'vitest';
import { createWorld, kept, rowsOf, upToDate, when, type Act, type TestStore } from './support.ts';

/**
 * Either the store refuses a mutation itself or the relay keeps it: anything else holds up all that comes after. Then
 * two stores must show the same.
 */
async function takenByBoth(act: Act, inputs: readonly JsonValue[] = [null]): Promise<void> {
  const world = createWorld();
  const [alice, bob] = [world.open('alice', { act }), world.open('bob')];
  await Promise.all([alice.synced, bob.synced]);
  for (const input of inputs) {
    const receipt = await alice.mutate.act(input).catch(() => undefined);
    await Promise.race([receipt?.confirmed, refusedByRelay(alice)]);
  }
  await kept(alice.mutate.note({ id: 'after', title: 'after' }));
  await upToDate(world, alice, bob);
  expect(rowsOf(bob)).toEqual(rowsOf(alice));
  expect(bob.table('notes').has('after')).toBe(true);
}

async function refusedByRelay(store: TestStore): Promise<void> {
  const { reason } = await when(store.status$, ({ state }) => state === 'error');
  throw reason ?? new Error('no reason');
}

describe('what a store takes, the relay takes', () => {
  test('[MU39] many small rows in one mutation', () =>
    takenByBoth((ctx) => {
      for (let n = 0; n < 2100; n++) ctx.table('counters').set(`c${n}`, { n });
    }));

  test('[MU39] many rows taken away in one mutation', () =>
    takenByBoth(
      (ctx, input) => {
        for (let n = 0; n < 1500; n++) {
          if (input === 'make') ctx.table('counters').set(`c${n}`, { n });
          else ctx.table('counters').delete(`c${n}`);
        }
      },
      ['make', 'drop'],
    ));

  test('[MU39] every other row of a long table taken away in one mutation', () =>
    takenByBoth(
      (ctx, half) => {
        for (let n = 0; n < 1100; n++) {
          if (typeof half === 'number') ctx.table('counters').set(`c${n + half}`, { n });
          else ctx.table('counters').delete(`c${n * 2}`);
        }
      },
      [0, 1100, 'drop'],
    ));

  test('[MU39] a mutation just below the limit of its size', () =>
    takenByBoth((ctx) => {
      for (let n = 0; n < 100; n++) ctx.table('things').set(`t${n}`, { value: 'x'.repeat(2400) });
    }));

  test.each([
    ['__type__', '__type__'],
    ['toString', 'toString'],
    ['by two words', 'a b'],
    ['by a path', 'a.b/c'],
    ['by U+001F', 'a\u001fb'],
    ['by U+0000', '\u0000'],
    ['by an empty name', ''],
    ['by a long name', 'f'.repeat(2000)],
  ])('[MU39] a field that is called %s, made, edited and taken away', (_, name) =>
    takenByBoth((ctx, value) => ctx.table('records').set('k', value === null ? {} : { [name]: value }), [1, 2, null, 3]),
  );

  test.each([
    ['a value', (ctx, text) => ctx.table('things').set('k', { value: text })],
    ['the key of a value', (ctx, text) => ctx.table('things').set('k', { value: { [String(text)]: 1 } })],
    ['the key of a row', (ctx, text) => ctx.table('things').set(String(text), { value: 1 })],
    ['the name of a field', (ctx, text) => ctx.table('records').set('k', { [String(text)]: 1 })],
  ] satisfies [string, Act][])('[MU40] text that was cut within a surrogate pair, as %s', (_, act) =>
    takenByBoth(act, ['🐙'.slice(0, 1), '🐙'.slice(1), 'a\ud83d b']),
  );
});
