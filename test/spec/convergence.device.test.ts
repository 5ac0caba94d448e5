import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { failingStorage, keyOf, losingAnswers } from './faults.ts';
import { createWorld, kept, level, rowsOf, upToDate, when } from './support.ts';

describe('two stores of one user on one device', () => {
  test('[CV30] see each other’s mutations through the relay, and each mutation happens once', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const [one, two, bob] = [world.open('alice', { storage }), world.open('alice', { storage }), world.open('bob')];
    await upToDate(world, one, two, bob);
    await Promise.all(Array.from({ length: 10 }, (_, n) => kept((n % 2 === 0 ? one : two).mutate.note({ id: `${n}`, title: 'once' }))));
    await upToDate(world, one, two, bob);
    await kept(one.mutate.count({ id: 'c' }));
    await upToDate(world, one, two, bob);
    await kept(two.mutate.count({ id: 'c' }));
    await upToDate(world, one, two, bob);
    for (const store of [one, two]) expect(rowsOf(store)).toEqual(rowsOf(bob));
    expect([bob.table('notes').count(), bob.table('counters').get('c')]).toEqual([10, { n: 2 }]);
    await Promise.all([one.close(), two.close()]);
    const again = world.openOffline('alice', { storage });
    await again.ready;
    expect(again.status.pending).toBe(0);
    world.comeBack('alice');
    await upToDate(world, again, bob);
    expect(rowsOf(again)).toEqual(rowsOf(bob));
  });

  test('[CV30] of which one opens while the other has something pending: that happens once, and both get level', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const [one, bob] = [world.open('alice', { storage }), world.open('bob')];
    await kept(one.mutate.count({ id: 'c' }));
    world.goOffline('alice');
    await one.mutate.count({ id: 'c' });
    const two = world.openOffline('alice', { storage });
    await two.mutate.count({ id: 'c' });
    world.comeBack('alice');
    await upToDate(world, one, two, bob);
    expect([one, two, bob].map((store) => store.table('counters').get('c'))).toEqual([{ n: 3 }, { n: 3 }, { n: 3 }]);
    expect([one.rejections, two.rejections]).toEqual([[], []]);
  });
});

describe('two stores of one user on one device, and a long log', () => {
  test('[CV30] of which one puts the log together while the other writes on: the device can be read afterwards', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const one = world.open('alice', { storage });
    await level(one);
    for (let n = 0; n < 600; n++) void world.relay.mutate('room', 'count', { id: `c${n % 7}` });
    await upToDate(world, one);
    const two = world.open('alice', { storage });
    await upToDate(world, one, two);
    await two.close();
    world.comeBack('alice');
    await upToDate(world, one);
    await kept(one.mutate.count({ id: 'c0' }));
    await upToDate(world, one);
    const rows = rowsOf(one);
    await one.close();
    const again = world.openOffline('alice', { storage });
    await again.ready;
    expect(rowsOf(again)).toEqual(rows);
  });
});

describe('a device that cannot write any more', () => {
  test('[CV31] loses nothing and doubles nothing when an answer is lost and another mutation is refused', async () => {
    const world = losingAnswers();
    const full = failingStorage();
    const [alice, bob] = [world.open('alice', { storage: full.storage }), world.open('bob')];
    await upToDate(world, alice, bob);
    full.fail();
    const lost = world.loseNext();
    const first = await alice.mutate.count({ id: 'c' });
    await lost;
    const refused = await alice.mutate.count({ id: 'c', by: 10 });
    const last = await alice.mutate.count({ id: 'c', by: 100 });
    await world.storage.refuse('room', [{ mark: keyOf(refused.id), refusal: { code: 'chat.muted', params: {} } }]);
    world.comeBack('alice');
    await expect(refused.confirmed).rejects.toMatchObject({ code: 'chat.muted' });
    await Promise.all([first.confirmed, last.confirmed]);
    await level(alice);
    await upToDate(world, alice, bob);
    expect([alice, bob].map((store) => store.table('counters').get('c'))).toEqual([{ n: 101 }, { n: 101 }]);
  });

  test('[CV31] rolls a refused mutation back though that is the first it cannot write', async () => {
    const world = createWorld();
    const full = failingStorage();
    const [alice, bob] = [world.open('alice', { storage: full.storage }), world.open('bob')];
    await upToDate(world, alice, bob);
    world.goOffline('alice');
    const refused = await alice.mutate.note({ id: 'r', title: 'refused' });
    await refused.stored;
    await world.storage.refuse('room', [{ mark: keyOf(refused.id), refusal: { code: 'chat.muted', params: {} } }]);
    full.fail();
    world.comeBack('alice');
    await expect(refused.confirmed).rejects.toMatchObject({ code: 'chat.muted' });
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(alice.rejections.map(({ id }) => id)).toEqual([refused.id]);
    await kept(alice.mutate.note({ id: 'r', title: 'once more' }));
  });

  test('[CV31] has its rejections retried and dismissed all the same', async () => {
    const world = createWorld();
    const full = failingStorage();
    const alice = world.open('alice', { storage: full.storage });
    await upToDate(world, alice);
    world.goOffline('alice');
    const made = [await alice.mutate.count({ id: 'c' }), await alice.mutate.count({ id: 'd' })];
    const refusal = { code: 'chat.muted', params: {} };
    await world.storage.refuse(
      'room',
      made.map(({ id }) => ({ mark: keyOf(id), refusal })),
    );
    world.comeBack('alice');
    const [first, second] = await when(alice.rejections$, (list) => list.length === 2);
    full.fail();
    const receipt = await first?.retry();
    await second?.dismiss();
    await receipt?.confirmed;
    expect(alice.rejections).toEqual([]);
    expect(alice.table('counters').get('c')).toEqual({ n: 1 });
  });

  test('[CV31] comes back to a relay that was started anew', async () => {
    const world = createWorld();
    const full = failingStorage();
    const [alice, bob] = [world.open('alice', { storage: full.storage }), world.open('bob')];
    await upToDate(world, alice, bob);
    full.fail();
    await kept(alice.mutate.note({ id: 'a', title: 'A' }));
    world.goOffline('alice');
    await alice.mutate.note({ id: 'p', title: 'pending' });
    await world.restart();
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(
      bob
        .table('notes')
        .entries()
        .map(([key]) => key),
    ).toEqual(['a', 'p']);
  });
});
