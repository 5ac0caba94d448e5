import { reject } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import type { RelayStorage } from 'cotable/relay';
import { describe, expect, test } from 'vitest';
import { collect, createGate, createWorld, kept, level, rowsOf, turns, upToDate, when, type Act, type Gate } from './support.ts';

describe('a relay', () => {
  test('[CV22] runs a mutator as the system; stores see it, and it resolves when it is kept', async () => {
    const users: string[] = [];
    const storage = memoryRelayStorage();
    const world = createWorld({ storage, act: (ctx) => void users.push(ctx.userId, ctx.room) });
    const store = world.open('alice');
    await store.synced;
    const { id } = await world.relay.mutate('room', 'note', { id: 'a', title: 'A' });
    expect(id).toMatch(/^[0-9a-z]+-1$/);
    expect((await storage.entries('room', 0, 10)).map(({ seq }) => seq)).toEqual([1]);
    await world.relay.mutate('room', 'act', null);
    await upToDate(world, store);
    expect(store.table('notes').list()).toEqual([{ id: 'a', title: 'A', stars: 0 }]);
    expect(users).toEqual(['system', 'room']);
  });

  test('[CV22] reads and writes on top of what the stores made', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await kept(store.mutate.count({ id: 'c', by: 5 }));
    await Promise.all([1, 2, 3].map(() => world.relay.mutate('room', 'count', { id: 'c' })));
    await upToDate(world, store);
    await kept(store.mutate.count({ id: 'c' }));
    expect(store.table('counters').get('c')).toEqual({ n: 9 });
  });

  test('[CV23] refuses what does not fit, and nothing happens', async () => {
    const world = createWorld({
      act(ctx) {
        ctx.table('counters').set('c', { n: 1 });
        reject('chat.closed');
      },
    });
    const { relay } = world;
    await expect(relay.mutate('room', 'act', null)).rejects.toMatchObject({ code: 'chat.closed' });
    await expect(relay.mutate('room', 'edit', { id: 'nothing' })).rejects.toMatchObject({ code: 'row.notFound' });
    await expect(relay.mutate('room', 'note', { id: 7 } as never)).rejects.toMatchObject({ code: 'mutation.invalidInput' });
    await expect(relay.mutate('room', 'nothing' as never, {} as never)).rejects.toMatchObject({ code: 'mutation.unknown' });
    await expect(relay.mutate('', 'note', { id: 'a', title: 'A' })).rejects.toMatchObject({ code: 'room.invalidName' });
    const store = world.open('alice');
    await upToDate(world, store);
    expect(rowsOf(store)).toEqual({ notes: [], counters: [], things: [], records: [] });
    expect(await world.storage.entries('room', 0, 10)).toHaveLength(1);
  });

  test('[CV23] refuses a mutation larger than a frame', async () => {
    const { relay } = createWorld();
    await expect(relay.mutate('room', 'note', { id: 'a', title: 'x'.repeat(300_000) })).rejects.toMatchObject({
      code: 'mutation.tooLarge',
    });
  });

  test('[CV24] keeps rooms apart', async () => {
    const world = createWorld();
    const [kitchen, hall] = [world.open('alice', { room: 'kitchen' }), world.open('bob', { room: 'hall' })];
    await kept(kitchen.mutate.note({ id: 'a', title: 'in the kitchen' }));
    await world.relay.mutate('hall', 'note', { id: 'a', title: 'in the hall' });
    await kept(hall.mutate.count({ id: 'c' }));
    await level(kitchen, hall);
    expect(
      kitchen
        .table('notes')
        .list()
        .map(({ title }) => title),
    ).toEqual(['in the kitchen']);
    expect(
      hall
        .table('notes')
        .list()
        .map(({ title }) => title),
    ).toEqual(['in the hall']);
    expect(kitchen.table('counters').count()).toBe(0);
  });

  test('[CV25] tells nobody of a mutation, its author neither, before it is kept', async () => {
    const gate = createGate();
    const world = createWorld({ storage: slow({ accept: gate }) });
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await Promise.all([alice.synced, bob.synced]);
    const receipt = await alice.mutate.note({ id: 'a', title: 'A' });
    let isConfirmed = false;
    void receipt.confirmed.then(() => (isConfirmed = true));
    await turns(20);
    expect([isConfirmed, bob.table('notes').count()]).toEqual([false, 0]);
    gate.open();
    await receipt.confirmed;
    await upToDate(world, alice, bob);
    expect(bob.table('notes').count()).toBe(1);
  });

  test('[CV26] forgets nothing for a store that joins while others write', async () => {
    // A storage may answer several calls at once: here the tail that the newcomer asked for, and the next acceptance.
    const storage = memoryRelayStorage();
    const held: (() => void)[] = [];
    let isHeld = false;
    const together = async <T>(answer: Promise<T>): Promise<T> => {
      const value = await answer;
      if (isHeld) await new Promise<void>((resolve) => held.push(resolve));
      return value;
    };
    const accept: RelayStorage['accept'] = (...args) => together(storage.accept(...args));
    const entries: RelayStorage['entries'] = (...args) => together(storage.entries(...args));
    const world = createWorld({ storage: { ...storage, accept, entries } });
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await upToDate(world, alice, bob);
    world.goOffline('bob');
    await kept(alice.mutate.count({ id: 'c' }));
    isHeld = true;
    world.comeBack('bob');
    await expect.poll(() => held.length, { interval: 1 }).toBe(1);
    const made = await alice.mutate.count({ id: 'c' });
    await expect.poll(() => held.length, { interval: 1 }).toBe(2);
    isHeld = false;
    for (const answer of held) answer();
    await made.confirmed;
    await level(bob);
    const states = collect(bob.status$);
    await upToDate(world, alice, bob);
    expect(bob.table('counters').get('c')).toEqual({ n: 2 });
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['online']));
  });
});

describe('a relay and a slow reader', () => {
  const act: Act = (ctx, n) => ctx.table('things').set(`t${Number(n)}`, { value: 'x'.repeat(20_000) });

  test('[CV27] lets go of a store for which too much waits; the others are not held up, and it catches up later', async () => {
    const world = createWorld({ limits: { bufferedBytes: 100_000 } });
    const [alice, bob, slow] = [world.open('alice', { act }), world.open('bob'), world.open('slow')];
    await upToDate(world, alice, bob, slow);
    world.hub.hold('slow');
    for (let n = 0; n < 20; n++) await kept(alice.mutate.act(n));
    await upToDate(world, alice, bob);
    expect([bob.table('things').count(), slow.table('things').count()]).toEqual([20, 0]);
    const lost = when(slow.status$, ({ state }) => state === 'offline');
    world.hub.release('slow');
    expect((await lost).reason).toMatchObject({ code: 'limit.bytes', params: { limit: 100_000 } });
    world.comeBack('slow');
    await upToDate(world, alice, bob, slow);
    expect(rowsOf(slow)).toEqual(rowsOf(alice));
  });

  test('[CV28] brings a store level that is further behind than may wait for a link at once', async () => {
    const world = createWorld();
    const large: Act = (ctx, n) => ctx.table('things').set(`t${Number(n)}`, { value: 'x'.repeat(200_000) });
    const [alice, bob] = [world.open('alice', { act: large }), world.open('bob')];
    await upToDate(world, alice, bob);
    world.goOffline('bob');
    // 12 MB, of which 8 MiB may wait.
    for (let n = 0; n < 60; n++) await alice.mutate.act(n);
    await level(alice);
    const states = collect(bob.status$);
    world.comeBack('bob');
    const cold = world.open('cold');
    await upToDate(world, alice, bob, cold);
    for (const store of [bob, cold]) expect(rowsOf(store)).toEqual(rowsOf(alice));
    expect(states.map(({ reason }) => reason?.code)).not.toContain('limit.bytes');
  });

  test('[CV29] has a room back as it was after the room left memory', async () => {
    const world = createWorld({ limits: { unloadMs: 0 } });
    const store = world.open('alice');
    for (let n = 0; n < 10; n++) {
      await level(store);
      await kept(store.mutate.count({ id: 'c' }));
      world.goOffline('alice');
      const rooms = async (): Promise<unknown> => (await world.relay.fetch(new Request('http://relay/healthz'))).json();
      await expect.poll(rooms, { interval: 1 }).toMatchObject({ rooms: 0 });
      if (n % 2 === 0) await world.relay.mutate('room', 'count', { id: 'c' });
      world.comeBack('alice');
    }
    await upToDate(world, store);
    expect(store.table('counters').get('c')).toEqual({ n: 15 });
  });
});

/** A relay storage whose calls of some kind wait for a gate. */
function slow(gates: { readonly accept: Gate }): RelayStorage {
  const storage = memoryRelayStorage();
  return {
    ...storage,
    async accept(...group) {
      await gates.accept.passed;
      await storage.accept(...group);
    },
  };
}
