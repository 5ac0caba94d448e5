import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { losingAnswers } from './faults.ts';
import { collect, createWorld, kept, level, rowsOf, turns, upToDate, when } from './support.ts';

describe('a store that comes back', () => {
  test('[CV9] after it lost what it sent: each mutation happens once', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await upToDate(world, alice, bob);
    for (let round = 0; round < 5; round++) {
      world.hub.hold('alice');
      for (let n = 0; n < 4; n++) await alice.mutate.count({ id: 'c' });
      world.hub.cut('alice');
      world.hub.release('alice');
      world.comeBack('alice');
      await kept(alice.mutate.count({ id: 'c' }));
    }
    await upToDate(world, alice, bob);
    expect(bob.table('counters').get('c')).toEqual({ n: 25 });
    expect(alice.table('counters').get('c')).toEqual({ n: 25 });
  });

  test('[CV9] after it lost the end of what was on its way, at any point: each mutation happens once', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await upToDate(world, alice, bob);
    let made = 0;
    for (let later = 0; later < 12; later++) {
      for (let n = 0; n < 3; n++, made++) await alice.mutate.count({ id: 'c' });
      await turns(later);
      world.hub.cut('alice');
      await when(alice.status$, ({ state }) => state !== 'online');
      world.comeBack('alice');
    }
    await upToDate(world, alice, bob);
    expect([alice, bob].map((store) => store.table('counters').get('c'))).toEqual([{ n: made }, { n: made }]);
  });

  test('[CV10] after a reload: what it made offline is there, and reaches the others once', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const bob = world.open('bob');
    await kept(bob.mutate.note({ id: 'b', title: 'B' }));
    const first = world.open('alice', { storage });
    await upToDate(world, first);
    world.goOffline('alice');
    await first.mutate.count({ id: 'c' });
    await first.mutate.note({ id: 'a', title: 'A' });
    await first.mutate.edit({ id: 'b', title: 'B by alice' });
    const rows = rowsOf(first);
    await first.close();
    const second = world.openOffline('alice', { storage });
    await second.ready;
    expect(rowsOf(second)).toEqual(rows);
    expect(second.status.pending).toBe(3);
    await second.mutate.count({ id: 'reloads' });
    await second.close();
    const third = world.openOffline('alice', { storage });
    await third.mutate.drop({ id: 'b' });
    expect(third.status.pending).toBe(5);
    world.comeBack('alice');
    await upToDate(world, third, bob);
    expect(rowsOf(bob)).toEqual(rowsOf(third));
    expect(rowsOf(bob)).toMatchObject({
      notes: [['a', { title: 'A' }]],
      counters: [
        ['c', { n: 1 }],
        ['reloads', { n: 1 }],
      ],
    });
  });

  test('[CV11] after the relay’s answer was lost: the mutation happens once', async () => {
    const world = losingAnswers();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await upToDate(world, alice, bob);
    const lost = world.loseNext();
    const receipt = await alice.mutate.count({ id: 'c' });
    await lost;
    expect(alice.status.pending).toBe(1);
    await alice.mutate.count({ id: 'c' });
    world.comeBack('alice');
    await receipt.confirmed;
    await upToDate(world, alice, bob);
    expect([alice, bob].map((store) => store.table('counters').get('c'))).toEqual([{ n: 2 }, { n: 2 }]);
  });

  test('[CV11] after the relay’s answer was lost, and after a reload: the mutation happens once', async () => {
    const world = losingAnswers();
    const storage = memoryClientStorage({ durable: true });
    const [first, bob] = [world.open('alice', { storage }), world.open('bob')];
    await upToDate(world, first, bob);
    const lost = world.loseNext();
    await first.mutate.count({ id: 'c' });
    await lost;
    await first.mutate.count({ id: 'c' });
    await first.close();
    const again = world.openOffline('alice', { storage });
    await again.ready;
    await again.mutate.count({ id: 'c' });
    expect([again.status.pending, again.table('counters').get('c')]).toEqual([3, { n: 3 }]);
    const counts = collect(bob.table('counters').row$('c'));
    world.comeBack('alice');
    await upToDate(world, again, bob);
    expect([again, bob].map((store) => store.table('counters').get('c'))).toEqual([{ n: 3 }, { n: 3 }]);
    const seen = counts.map(({ row }) => row?.n);
    expect(seen).toEqual([1, 2, 3].filter((n) => seen.includes(n)));
    expect(seen.at(-1)).toBe(3);
  });

  test('[CV12] to a relay that was started anew on the same storage goes on where it was', async () => {
    const world = createWorld();
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await kept(alice.mutate.count({ id: 'c' }));
    await upToDate(world, alice, bob);
    world.goOffline('alice');
    await alice.mutate.count({ id: 'c' });
    await kept(bob.mutate.note({ id: 'b', title: 'B' }));
    await world.restart();
    await upToDate(world, alice, bob);
    await kept(bob.mutate.count({ id: 'c' }));
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(bob.table('counters').get('c')).toEqual({ n: 3 });
  });

  test('[CV13] to a relay that lost its rooms takes the new room, keeps what is pending, and doubles nothing', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const [alice, bob] = [world.open('alice', { storage }), world.open('bob')];
    await kept(alice.mutate.note({ id: 'a', title: 'A' }));
    await kept(bob.mutate.count({ id: 'c', by: 5 }));
    await upToDate(world, alice, bob);
    world.goOffline('alice');
    await alice.mutate.note({ id: 'p', title: 'pending' });
    await alice.mutate.count({ id: 'c' });
    await world.restart({ storage: memoryRelayStorage() });
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toMatchObject({ notes: [['p', { title: 'pending' }]], counters: [['c', { n: 1 }]] });
    expect(rowsOf(bob)).toEqual(rowsOf(alice));
    await kept(bob.mutate.count({ id: 'c' }));
    await alice.close();
    const again = world.open('alice', { storage });
    await again.ready;
    await upToDate(world, again, bob);
    expect(again.table('counters').get('c')).toEqual({ n: 2 });
    expect(rowsOf(bob)).toEqual(rowsOf(again));
  });

  test('[CV14] finds all that happened meanwhile, however much that is, and keeps it', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const first = world.open('alice', { storage });
    await kept(first.mutate.note({ id: 'a', title: 'A' }));
    await first.close();
    for (let n = 0; n < 1100; n++) void world.relay.mutate('room', 'count', { id: `c${n % 7}` });
    await world.relay.mutate('room', 'edit', { id: 'a', title: 'A2' });
    const back = world.open('alice', { storage });
    const cold = world.open('bob');
    await upToDate(world, back, cold);
    expect(rowsOf(back)).toEqual(rowsOf(cold));
    const rows = rowsOf(cold);
    await back.close();
    world.goOffline('alice');
    for (let reload = 0; reload < 3; reload++) {
      const again = world.openOffline('alice', { storage });
      await again.ready;
      expect(rowsOf(again)).toEqual(rows);
      await again.close();
    }
    const last = world.open('alice', { storage });
    world.comeBack('alice');
    await kept(last.mutate.count({ id: 'c0' }));
    await level(last);
    await upToDate(world, last, cold);
    expect(rowsOf(last)).toEqual(rowsOf(cold));
  });
});
