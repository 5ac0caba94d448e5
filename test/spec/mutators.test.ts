import { describe, expect, test } from 'vitest';
import { ahead } from './faults.ts';
import { collect, createWorld, kept, level, rowsOf, upToDate, type Act, type TestStore } from './support.ts';

/** A store that is ready, far from any relay, whose `act` does what the test says. */
async function ready(act?: Act): Promise<TestStore> {
  const store = createWorld().openOffline('alice', { act });
  await store.ready;
  return store;
}

describe('a mutation', () => {
  test('[MU1 A4] is visible within the call when its mutator awaits nothing', async () => {
    const store = await ready();
    const made = store.mutate.note({ id: 'a', title: 'A' });
    expect(store.table('notes').get('a')).toEqual({ id: 'a', title: 'A', stars: 0 });
    await made;
  });

  test('[MU2 A14 A15] of an async mutator that awaits tables only is visible in the same task', async () => {
    const store = await ready(async (ctx) => {
      await ctx.table('notes').set('a', { id: 'a', title: 'A' });
      const note = await ctx.table('notes').get('a');
      await ctx.table('notes').set('b', { id: 'b', title: `${note?.title} again` });
    });
    let tasks = 0;
    setImmediate(() => tasks++);
    setTimeout(() => tasks++);
    await store.mutate.act(null);
    expect(
      store
        .table('notes')
        .list()
        .map(({ title }) => title),
    ).toEqual(['A', 'A again']);
    expect(tasks).toBe(0);
  });

  test('[MU3] of a mutator that awaits something else is visible, whole, when its promise resolves, and not before', async () => {
    const store = await ready(async (ctx) => {
      ctx.table('notes').set('a', { id: 'a', title: 'A' });
      await new Promise((resolve) => setImmediate(resolve));
      ctx.table('counters').set('a', { n: 1 });
    });
    const made = store.mutate.act(null);
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    expect(rowsOf(store)).toEqual({ notes: [], counters: [], things: [], records: [] });
    await made;
    expect(rowsOf(store)).toMatchObject({ notes: [['a', { title: 'A' }]], counters: [['a', { n: 1 }]] });
  });

  test('[MU4 A15] with several writes is one: observers hear of it once', async () => {
    const store = await ready((ctx) => {
      for (const id of ['a', 'b', 'c']) ctx.table('notes').set(id, { id, title: id });
      ctx.table('notes').update('a', { title: 'A' });
      ctx.table('notes').delete('b');
    });
    const changes = collect(store.table('notes').changes$);
    await store.mutate.act(null);
    expect(changes).toEqual([
      [
        { key: 'a', before: undefined, after: { id: 'a', title: 'A', stars: 0 } },
        { key: 'c', before: undefined, after: { id: 'c', title: 'c', stars: 0 } },
      ],
    ]);
    expect(store.status.pending).toBe(1);
  });
});

describe('a mutator', () => {
  test('[MU5] reads what was there and its own writes, by every way to read', async () => {
    const seen: unknown[] = [];
    const store = await ready((ctx) => {
      const notes = ctx.table('notes');
      const look = (): void => {
        const { first, count, has } = notes;
        seen.push([
          notes.list().map(({ title }) => title),
          notes.entries().map(([key]) => key),
          first()?.id,
          count(),
          has('b'),
          notes.get('b')?.title,
        ]);
      };
      look();
      notes.set('a', { id: 'a', title: 'A' });
      look();
      notes.update('b', { title: 'B2' });
      look();
      notes.delete('a');
      notes.delete('b');
      look();
      notes.set('b', { id: 'b', title: 'B3' });
      look();
    });
    await store.mutate.note({ id: 'b', title: 'B' });
    await store.mutate.act(null);
    expect(seen).toEqual([
      [['B'], ['b'], 'b', 1, true, 'B'],
      [['A', 'B'], ['a', 'b'], 'a', 2, true, 'B'],
      [['A', 'B2'], ['a', 'b'], 'a', 2, true, 'B2'],
      [[], [], undefined, 0, false, undefined],
      [['B3'], ['b'], 'b', 1, true, 'B3'],
    ]);
    expect(store.table('notes').list()).toEqual([{ id: 'b', title: 'B3', stars: 0 }]);
  });

  test('[MU6] takes defaults as there: in its input and in the rows it reads back', async () => {
    let read: unknown;
    const store = await ready((ctx) => {
      ctx.table('notes').set('a', { id: 'a', title: 'A' });
      read = ctx.table('notes').get('a');
    });
    await store.mutate.act(null);
    await store.mutate.count({ id: 'a' });
    expect(read).toEqual({ id: 'a', title: 'A', stars: 0 });
    expect(store.table('counters').get('a')).toEqual({ n: 1 });
  });

  test('[MU7] update writes the fields it is given; undefined takes an optional one away', async () => {
    const store = await ready((ctx) => ctx.table('notes').update('a', { body: undefined }));
    await store.mutate.note({ id: 'a', title: 'A', body: 'text' });
    await store.mutate.edit({ id: 'a', stars: 2 });
    expect(store.table('notes').get('a')).toStrictEqual({ id: 'a', title: 'A', body: 'text', stars: 2 });
    await store.mutate.act(null);
    expect(store.table('notes').get('a')).toStrictEqual({ id: 'a', title: 'A', stars: 2 });
  });

  test('[MU8] set takes away what the new row lacks', async () => {
    const store = await ready();
    await store.mutate.note({ id: 'a', title: 'A', body: 'text' });
    await store.mutate.note({ id: 'a', title: 'B' });
    expect(store.table('notes').get('a')).toStrictEqual({ id: 'a', title: 'B', stars: 0 });
  });

  test('[MU9] delete tells whether there was a row', async () => {
    const answers: boolean[] = [];
    const store = await ready((ctx) => {
      answers.push(ctx.table('notes').delete('a'));
      ctx.table('notes').set('a', { id: 'a', title: 'A' });
      answers.push(ctx.table('notes').delete('a'), ctx.table('notes').delete('a'));
    });
    await store.mutate.act(null);
    expect(answers).toEqual([false, true, false]);
    expect(store.table('notes').count()).toBe(0);
  });

  test('[MU10] that writes what is there already changes nothing; its receipt is confirmed all the same', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    const changes = collect(store.table('notes').changes$);
    const row = store.table('notes').get('a');
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    await kept(store.mutate.edit({ id: 'a', title: 'A', stars: 0 }));
    expect(changes).toEqual([]);
    expect(store.table('notes').get('a')).toBe(row);
  });

  test('[MU11] set on a row that is there writes only the fields that differ: another store’s edit of another field stays', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await kept(alice.mutate.note({ id: 'a', title: 'A', body: 'text' }));
    await upToDate(world, alice, bob);
    world.goOffline('alice');
    await bob.mutate.edit({ id: 'a', body: 'by bob' });
    await alice.mutate.note({ id: 'a', title: 'by alice', body: 'text' });
    world.comeBack('alice');
    await upToDate(world, alice, bob);
    expect(alice.table('notes').get('a')).toEqual({ id: 'a', title: 'by alice', body: 'by bob', stars: 0 });
    expect(rowsOf(bob)).toEqual(rowsOf(alice));
  });

  test('[MU12] knows who wrote it, where and when', async () => {
    const seen: unknown[] = [];
    const world = createWorld();
    const store = world.open('alice', { room: 'kitchen', act: (ctx) => void seen.push(ctx.userId, ctx.room, ctx.mutationId, ctx.now) });
    await level(store);
    const before = Date.now();
    const { id } = await store.mutate.act(null);
    const [userId, room, mutationId, now] = seen;
    expect([userId, room, mutationId]).toEqual(['alice', 'kitchen', id]);
    // The relay's clock, as this device knows it, is less than a round trip away from its own.
    expect(Math.abs(Number(now) - before)).toBeLessThan(1000);
  });

  test('[MU43] dates what it writes after all that the store shows, whatever its clock says', async () => {
    const dates: number[] = [];
    const world = createWorld();
    const bob = world.open('bob', { act: (ctx) => void dates.push(ctx.now) });
    const alice = world.open('alice');
    await level(alice, bob);
    // Afterwards the clock that all of them read is back again.
    await ahead(20_000, () => alice.mutate.note({ id: 'a', title: 'early', body: '' }).then(({ confirmed }) => confirmed));
    await upToDate(world, alice, bob);
    await bob.mutate.act(null);
    expect(dates[0]).toBeGreaterThan(Date.now() + 10_000);
  });
});
