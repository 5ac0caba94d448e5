import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { createWorld, kept, upToDate, type TestStore } from './support.ts';

const deepValue = { list: [{ a: 1 }, ['b']], nested: { more: { text: 'x' } } };

/** Every object within a value that is not frozen. */
function unfrozen(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return [...(Object.isFrozen(value) ? [] : [value]), ...Object.values(value).flatMap(unfrozen)];
}

async function ready(): Promise<TestStore> {
  const store = createWorld().openOffline('alice', { act: (ctx, value) => ctx.table('things').set('k', { value }) });
  await store.ready;
  return store;
}

describe('a row', () => {
  test('[RO1] is frozen to its last value, wherever it came from', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const alice = world.open('alice', { storage, act: (ctx, value) => ctx.table('things').set('k', { value }) });
    const bob = world.open('bob');
    await kept(alice.mutate.act(deepValue));
    await upToDate(world, alice, bob);
    const cold = world.open('cold');
    await upToDate(world, cold);
    await alice.close();
    const again = world.open('alice', { storage });
    await again.ready;
    for (const store of [alice, bob, cold, again]) {
      expect(store.table('things').get('k')).toEqual({ value: deepValue });
      expect(unfrozen(store.table('things').get('k'))).toEqual([]);
    }
  });

  test('[RO1] is frozen after edits of its fields, and so is what a mutator reads', async () => {
    let read: unknown;
    const store = createWorld().openOffline('alice', {
      act(ctx) {
        ctx.table('notes').set('b', { id: 'b', title: 'B' });
        read = [
          ctx.table('notes').get('b'),
          ctx.table('notes').get('a'),
          ...ctx
            .table('notes')
            .list()
            .flatMap((row) => [row]),
        ];
      },
    });
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.edit({ id: 'a', title: 'A2' });
    await store.mutate.act(null);
    expect(unfrozen(store.table('notes').get('a'))).toEqual([]);
    expect(Object.isFrozen(store.table('notes').list())).toBe(true);
    expect(Array.isArray(read) && read.flatMap(unfrozen)).toEqual([]);
  });

  test('[RO2] stays the same object while its content does: others change, equal writes, the confirmation', async () => {
    const world = createWorld();
    const store = world.openOffline('alice');
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.note({ id: 'b', title: 'B' });
    await store.mutate.edit({ id: 'b', title: 'B2' });
    const [a, b] = store.table('notes').list();
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.note({ id: 'c', title: 'C' });
    world.comeBack('alice');
    await upToDate(world, store);
    expect([store.table('notes').get('a') === a, store.table('notes').get('b') === b]).toEqual([true, true]);
    await kept(store.mutate.edit({ id: 'a', title: 'A2' }));
    expect([store.table('notes').get('a') === a, store.table('notes').get('b') === b]).toEqual([false, true]);
  });

  test('[RO2] stays the same object when the store goes the road back', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await kept(alice.mutate.note({ id: 'a', title: 'A' }));
    await kept(bob.mutate.note({ id: 'b', title: 'B' }));
    await upToDate(world, alice, bob);
    const [a, b] = alice.table('notes').list();
    world.goOffline('alice');
    await alice.mutate.note({ id: 'c', title: 'C' });
    const c = alice.table('notes').get('c');
    await world.restart({ storage: memoryRelayStorage() });
    await upToDate(world, alice, bob);
    // The relay lost its room: what was confirmed is gone, what was pending is not.
    expect(alice.table('notes').list()).toEqual([c]);
    expect(alice.table('notes').get('c')).toBe(c);
    expect([a?.title, b?.title]).toEqual(['A', 'B']);
  });

  test('[RO3] of a list stand in the order of their keys by UTF-16 code units', async () => {
    const store = await ready();
    const keys = ['b', 'a', 'B', '10', '9', 'é', 'z', '🐙', '\uffff', 'ab', 'a b', '_'];
    for (const id of keys) await store.mutate.count({ id });
    const sorted = keys.toSorted((a, b) => (a < b ? -1 : 1));
    expect(
      store
        .table('counters')
        .entries()
        .map(([key]) => key),
    ).toEqual(sorted);
    expect(store.table('counters').list()).toEqual(sorted.map(() => ({ n: 1 })));
    for (const id of ['m', 'A']) await store.mutate.count({ id });
    expect(
      store
        .table('counters')
        .entries()
        .map(([key]) => key),
    ).toEqual([...keys, 'm', 'A'].toSorted((a, b) => (a < b ? -1 : 1)));
  });

  test('[RO4] lists stay the same objects while nothing in their table changes', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await store.synced;
    const nothing = store.table('notes').list();
    await kept(store.mutate.count({ id: 'c' }));
    expect(store.table('notes').list()).toBe(nothing);
    const made = store.mutate.note({ id: 'a', title: 'A' });
    const [list, entries] = [store.table('notes').list(), store.table('notes').entries()];
    await kept(made);
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    expect([store.table('notes').list() === list, store.table('notes').entries() === entries]).toEqual([true, true]);
    await kept(store.mutate.edit({ id: 'a', title: 'A2' }));
    expect(store.table('notes').list()).not.toBe(list);
  });

  test('[RO5] lists cannot be changed', async () => {
    const store = await ready();
    await store.mutate.note({ id: 'a', title: 'A' });
    const { list, entries } = store.table('notes');
    expect([Object.isFrozen(list()), Object.isFrozen(entries())]).toEqual([true, true]);
  });

  test('[RO6] can be read in every way of a query', async () => {
    const store = await ready();
    const notes = store.table('notes');
    expect([notes.first(), notes.count(), notes.has('a'), notes.get('a')]).toEqual([undefined, 0, false, undefined]);
    await store.mutate.note({ id: 'b', title: 'B' });
    await store.mutate.note({ id: 'a', title: 'A' });
    expect([notes.first()?.id, notes.count(), notes.has('a'), notes.get('b')?.title]).toEqual(['a', 2, true, 'B']);
    expect(store.table('notes')).toBe(notes);
  });
});
