import { take } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { collect, createWorld, kept, upToDate, type TestStore } from './support.ts';

/** A store whose `act` writes two tables at once. */
async function ready(): Promise<TestStore> {
  const store = createWorld().openOffline('alice', {
    act(ctx) {
      ctx.table('counters').set('c', { n: 1 });
      ctx.table('notes').set('a', { id: 'a', title: 'A' });
    },
  });
  await store.ready;
  return store;
}

describe('rows$', () => {
  test('[RO7] gives the present list at once, then a new one for each change', async () => {
    const store = await ready();
    const lists = collect(store.table('notes').rows$);
    expect(lists).toEqual([[]]);
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.count({ id: 'c' });
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.edit({ id: 'a', title: 'A2' });
    expect(lists.map((rows) => rows.map(({ title }) => title))).toEqual([[], ['A'], ['A2']]);
    expect(lists.at(-1)).toBe(store.table('notes').list());
    expect(collect(store.table('notes').rows$)).toEqual([lists.at(-1)]);
  });

  test('[RO7] says nothing when the relay confirms what is seen already', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await store.synced;
    const lists = collect(store.table('notes').rows$);
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    expect(lists).toHaveLength(2);
  });

  test('[RO8] tells of a change after all tables are written', async () => {
    const store = await ready();
    const seen: unknown[] = [];
    store.table('notes').rows$.subscribe((rows) => seen.push([rows.length, store.table('counters').count(), store.status.pending]));
    store.table('counters').rows$.subscribe((rows) => seen.push([store.table('notes').count(), rows.length]));
    await store.mutate.act(null);
    expect(seen.toSorted()).toEqual([
      [0, 0],
      [0, 0, 0],
      [1, 1],
      [1, 1, expect.any(Number)],
    ]);
  });

  test('[RO8] tells of what others changed in one mutation at once', async () => {
    const world = createWorld();
    const bob = world.open('bob', {
      act(ctx) {
        for (const id of ['a', 'b']) ctx.table('notes').set(id, { id, title: id });
        ctx.table('counters').set('c', { n: 2 });
      },
    });
    const alice = world.open('alice');
    await upToDate(world, alice, bob);
    const seen: unknown[] = [];
    alice.table('notes').rows$.subscribe((rows) => seen.push([rows.length, alice.table('counters').get('c')?.n]));
    await kept(bob.mutate.act(null));
    await upToDate(world, alice, bob);
    expect(seen).toEqual([
      [0, undefined],
      [2, 2],
    ]);
  });

  test('[RO9] ends with its store; a late observer still gets the last list', async () => {
    const store = await ready();
    await store.mutate.note({ id: 'a', title: 'A' });
    const ended: string[] = [];
    const { rows$, changes$, row$ } = store.table('notes');
    rows$.subscribe({ complete: () => ended.push('rows$') });
    changes$.subscribe({ complete: () => ended.push('changes$') });
    row$('a').subscribe({ complete: () => ended.push('row$') });
    await store.close();
    expect(ended.toSorted()).toEqual(['changes$', 'row$', 'rows$']);
    expect(collect(rows$.pipe(take(1)))).toEqual([[{ id: 'a', title: 'A', stars: 0 }]]);
  });
});

describe('changes$', () => {
  test('[RO10] tells what came, changed and went, once for each change, and nothing at the beginning', async () => {
    const store = await ready();
    await store.mutate.note({ id: 'a', title: 'A' });
    const changes = collect(store.table('notes').changes$);
    expect(changes).toEqual([]);
    await store.mutate.note({ id: 'b', title: 'B' });
    await store.mutate.edit({ id: 'a', title: 'A2' });
    await store.mutate.drop({ id: 'a' });
    const [a, a2, b] = [
      { id: 'a', title: 'A', stars: 0 },
      { id: 'a', title: 'A2', stars: 0 },
      { id: 'b', title: 'B', stars: 0 },
    ];
    expect(changes).toEqual([
      [{ key: 'b', before: undefined, after: b }],
      [{ key: 'a', before: a, after: a2 }],
      [{ key: 'a', before: a2, after: undefined }],
    ]);
  });

  test('[RO11] comes to every observer in the order in which it happened, also when one of them writes', async () => {
    const store = await ready();
    const notes = store.table('notes');
    notes.changes$.subscribe(([change]) => {
      if (change?.key === 'first') void store.mutate.note({ id: 'second', title: '' });
    });
    const seen: string[] = [];
    notes.changes$.subscribe((changes) => seen.push(...changes.map(({ key }) => key)));
    await store.mutate.note({ id: 'first', title: '' });
    expect(seen).toEqual(['first', 'second']);
  });

  test('[RO11] comes in the order in which it happened, also between tables', async () => {
    const store = await ready();
    store.table('counters').changes$.subscribe(() => store.table('notes').has('b') || void store.mutate.note({ id: 'b', title: 'B' }));
    store.table('notes').changes$.subscribe(() => store.table('counters').has('d') || void store.mutate.count({ id: 'd' }));
    const seen: string[] = [];
    for (const name of ['notes', 'counters'] as const) {
      store.table(name).changes$.subscribe((changes: readonly { readonly key: string }[]) => seen.push(...changes.map(({ key }) => key)));
    }
    await store.mutate.act(null);
    const position = (key: string): number => seen.indexOf(key);
    expect(seen.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(Math.max(position('a'), position('c'))).toBeLessThan(Math.min(position('b'), position('d')));
  });
});

describe('row$', () => {
  test('[RO12] gives the present row at once, then each change of it, and nothing of others', async () => {
    const store = await ready();
    const seen = collect(store.table('notes').row$('a'));
    await store.mutate.note({ id: 'b', title: 'B' });
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.edit({ id: 'b', title: 'B2' });
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.drop({ id: 'a' });
    expect(seen.map(({ row }) => row?.title)).toEqual([undefined, 'A', undefined]);
  });

  test('[RO13] shows a row as pending until the relay keeps all of it', async () => {
    const world = createWorld();
    const store = world.openOffline('alice');
    const seen = collect(store.table('notes').row$('a'));
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.mutate.edit({ id: 'a', title: 'A2' });
    world.comeBack('alice');
    await upToDate(world, store);
    const [a, a2] = [
      { id: 'a', title: 'A', stars: 0 },
      { id: 'a', title: 'A2', stars: 0 },
    ];
    expect(seen).toEqual([
      { row: undefined, pending: false },
      { row: a, pending: true },
      { row: a2, pending: true },
      { row: a2, pending: false },
    ]);
  });

  test('[RO13] what others wrote is never pending', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await upToDate(world, alice, bob);
    const seen = collect(bob.table('notes').row$('a'));
    await kept(alice.mutate.note({ id: 'a', title: 'A' }));
    await upToDate(world, alice, bob);
    expect(seen.map(({ row, pending }) => [row?.title, pending])).toEqual([
      [undefined, false],
      ['A', false],
    ]);
  });
});
