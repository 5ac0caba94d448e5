import { describe, expect, test } from 'vitest';
import { ahead } from './faults.ts';
import { createWorld, kept, level, rowsOf, upToDate, type Act, type TestStore } from './support.ts';

const orders = ['alice', 'bob'] as const;

/**
 * Alice and bob know the note `a`. Each works offline, bob a second later than alice, and the relay hears of them in the given
 * order. Returns the rows in which all agree: both stores, one that joins then, and one that joins a relay started anew.
 */
async function afterBoth(first: (typeof orders)[number], alices: Work, bobs: Work, act?: Act): Promise<Readonly<Record<string, unknown>>> {
  const world = createWorld();
  const stores = { alice: world.open('alice', { act }), bob: world.open('bob', { act }) };
  await kept(stores.alice.mutate.note({ id: 'a', title: 'A', body: 'text' }));
  await upToDate(world, stores.alice, stores.bob);
  for (const user of orders) world.goOffline(user);
  await alices(stores.alice);
  await ahead(1000, () => bobs(stores.bob));
  for (const user of first === 'alice' ? orders : orders.toReversed()) {
    world.comeBack(user);
    await level(stores[user]);
  }
  await upToDate(world, stores.alice, stores.bob);
  const cold = world.open('cold');
  await upToDate(world, cold);
  await world.restart();
  const colder = world.open('colder');
  await upToDate(world, stores.alice, stores.bob, colder);
  const rows = rowsOf(stores.alice);
  for (const store of [stores.bob, cold, colder]) expect(rowsOf(store)).toEqual(rows);
  return rows;
}

type Work = (store: TestStore) => Promise<unknown>;

describe.each(orders)('two stores that worked at the same time, %s heard first', (first) => {
  test('[CV1] keep edits of different fields', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.edit({ id: 'a', title: 'by alice' }),
      (bob) => bob.mutate.edit({ id: 'a', stars: 3 }),
    );
    expect(notes).toEqual([['a', { id: 'a', title: 'by alice', body: 'text', stars: 3 }]]);
  });

  test('[CV2] show the later edit of one field', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.edit({ id: 'a', title: 'earlier' }),
      (bob) => bob.mutate.edit({ id: 'a', title: 'later' }),
    );
    expect(notes).toEqual([['a', { id: 'a', title: 'later', body: 'text', stars: 0 }]]);
  });

  test('[CV2] show the later of many edits, in every field', async () => {
    const edits = async (store: TestStore, who: string): Promise<void> => {
      for (let n = 0; n < 5; n++) await store.mutate.edit({ id: 'a', title: `${who} ${n}`, body: `${who} ${n}`, stars: n });
    };
    const { notes } = await afterBoth(
      first,
      (alice) => edits(alice, 'alice'),
      async (bob) => {
        await edits(bob, 'bob');
        await bob.mutate.edit({ id: 'a', stars: 9 });
      },
    );
    expect(notes).toEqual([['a', { id: 'a', title: 'bob 4', body: 'bob 4', stars: 9 }]]);
  });

  test('[CV2] show a field that was taken away later as not there', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.edit({ id: 'a', body: 'earlier' }),
      (bob) => bob.mutate.act(null),
      (ctx) => ctx.table('notes').update('a', { body: undefined }),
    );
    expect(notes).toEqual([['a', { id: 'a', title: 'A', stars: 0 }]]);
  });

  test('[CV3] lose a row that one deleted, whatever the other made of it without knowing', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.drop({ id: 'a' }),
      async (bob) => {
        await bob.mutate.edit({ id: 'a', title: 'later' });
        await bob.mutate.note({ id: 'a', title: 'later still' });
      },
    );
    expect(notes).toEqual([]);
  });

  test('[CV3] lose a row that one deleted later', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.edit({ id: 'a', title: 'earlier' }),
      (bob) => bob.mutate.drop({ id: 'a' }),
    );
    expect(notes).toEqual([]);
  });

  test('[CV4] show a row that was made anew later than the other deleted it', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.drop({ id: 'a' }),
      async (bob) => {
        await bob.mutate.drop({ id: 'a' });
        await bob.mutate.note({ id: 'a', title: 'anew' });
      },
    );
    expect(notes).toEqual([['a', { id: 'a', title: 'anew', stars: 0 }]]);
  });

  test('[CV4] delete and set in one mutation make the row anew: nothing of the old one stays', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.edit({ id: 'a', title: 'earlier', body: 'earlier', stars: 1 }),
      (bob) => bob.mutate.act(null),
      (ctx) => {
        ctx.table('notes').delete('a');
        ctx.table('notes').set('a', { id: 'a', title: 'anew' });
      },
    );
    expect(notes).toEqual([['a', { id: 'a', title: 'anew', stars: 0 }]]);
  });

  test('[CV5] show the later of two rows that were made with one key, as a whole', async () => {
    const { notes } = await afterBoth(
      first,
      (alice) => alice.mutate.note({ id: 'b', title: 'by alice', body: 'of alice' }),
      (bob) => bob.mutate.note({ id: 'b', title: 'by bob' }),
    );
    expect(notes).toEqual([
      ['a', { id: 'a', title: 'A', body: 'text', stars: 0 }],
      ['b', { id: 'b', title: 'by bob', stars: 0 }],
    ]);
  });

  test('[CV6] show the same, whatever each of them did', async () => {
    const muddle = async (store: TestStore, who: string): Promise<void> => {
      await store.mutate.note({ id: 'b', title: who });
      await store.mutate.drop({ id: 'a' });
      await store.mutate.note({ id: 'a', title: who, body: who });
      await store.mutate.edit({ id: 'b', body: who });
      await store.mutate.count({ id: 'c' });
      await store.mutate.drop({ id: 'b' });
      await store.mutate.note({ id: 'b', title: `${who} again` });
      await store.mutate.count({ id: 'c' });
    };
    const { notes } = await afterBoth(
      first,
      (alice) => muddle(alice, 'alice'),
      (bob) => muddle(bob, 'bob'),
    );
    expect(notes).toEqual([
      ['a', { id: 'a', title: 'bob', body: 'bob', stars: 0 }],
      ['b', { id: 'b', title: 'bob again', stars: 0 }],
    ]);
  });
});

describe('what one store made of what it had seen', () => {
  test('[CV7] wins over it, though the clock of who made that runs ahead', async () => {
    const world = createWorld();
    const alice = world.open('alice');
    await kept(alice.mutate.note({ id: 'a', title: 'A' }));
    await ahead(30_000, () => kept(alice.mutate.edit({ id: 'a', title: 'from the future' })));
    // One store sees the edit arrive, one gets it with all the rest, one had it on its device.
    const [live, cold] = [world.open('live'), world.open('cold')];
    await upToDate(world, alice, live, cold);
    await live.mutate.edit({ id: 'a', title: 'live' });
    expect(live.table('notes').get('a')?.title).toBe('live');
    await level(live);
    await upToDate(world, live, cold);
    await cold.mutate.edit({ id: 'a', title: 'cold' });
    expect(cold.table('notes').get('a')?.title).toBe('cold');
    await upToDate(world, alice, live, cold);
    expect([alice, live, cold].map((store) => store.table('notes').get('a')?.title)).toEqual(['cold', 'cold', 'cold']);
  });

  test('[CV7] wins over it when it came with the first snapshot, and when it was blind', async () => {
    const world = createWorld();
    const alice = world.open('alice');
    await alice.synced;
    await ahead(30_000, () => kept(alice.mutate.note({ id: 'a', title: 'from the future' })));
    const cold = world.open('cold');
    await cold.synced;
    await cold.mutate.edit({ id: 'a', title: 'edited' });
    expect(cold.table('notes').get('a')?.title).toBe('edited');
    const colder = world.open('colder');
    await colder.synced;
    await upToDate(world, cold, colder);
    await colder.mutate.note({ id: 'a', title: 'written over' });
    expect(colder.table('notes').get('a')?.title).toBe('written over');
    await upToDate(world, alice, cold, colder);
    expect([alice, cold, colder].map((store) => store.table('notes').get('a')?.title)).toEqual([
      'written over',
      'written over',
      'written over',
    ]);
  });

  test('[CV8] a device whose clock is wrong by an hour gets its mutations kept, and its clock put right', async () => {
    const world = createWorld();
    const [alice, bob] = [world.openOffline('alice'), world.open('bob')];
    await bob.synced;
    await ahead(3_600_000, async () => {
      await alice.mutate.note({ id: 'a', title: 'A' });
      await alice.mutate.edit({ id: 'a', title: 'A2' });
      await alice.mutate.count({ id: 'c' });
    });
    world.comeBack('alice');
    await upToDate(world, alice, bob);
    await kept(bob.mutate.edit({ id: 'a', title: 'by bob' }));
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(alice.table('notes').get('a')?.title).toBe('by bob');
  });

  test('[CV8] a device whose clock jumps while it is online comes back by itself', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await upToDate(world, alice, bob);
    const receipt = await ahead(3_600_000, () => alice.mutate.note({ id: 'a', title: 'A' }));
    await receipt.confirmed;
    await kept(alice.mutate.edit({ id: 'a', title: 'A2' }));
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(bob.table('notes').get('a')?.title).toBe('A2');
  });
});
