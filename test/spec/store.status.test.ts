import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { collect, createGate, createWorld, kept, level, turns, when } from './support.ts';

describe('the status of a store', () => {
  test('[ST1] goes from loading over connecting to online', async () => {
    const store = createWorld().open('alice');
    expect(store.status).toMatchObject({ state: 'loading', pending: 0, reason: undefined });
    const seen = collect(store.status$);
    await store.synced;
    expect(seen.map(({ state }) => state).filter((state, n, all) => state !== all[n - 1])).toEqual(['loading', 'connecting', 'online']);
    expect(seen.at(-1)).toBe(store.status);
  });

  test('[ST2] is frozen, and says nothing twice', async () => {
    const store = createWorld().open('alice');
    const seen = collect(store.status$);
    await store.synced;
    await kept(store.mutate.count({ id: 'c' }));
    const texts = seen.map((status) => JSON.stringify(status));
    expect(texts.filter((text, n) => text === texts[n - 1])).toEqual([]);
    expect(seen.every((status) => Object.isFrozen(status))).toBe(true);
  });

  test('[ST3] counts what is pending, up with each mutation and down with each confirmation', async () => {
    const world = createWorld();
    const store = world.openOffline('alice');
    await store.ready;
    const seen = collect(store.status$);
    await store.mutate.count({ id: 'c' });
    expect(store.status.pending).toBe(1);
    await store.mutate.count({ id: 'c' });
    expect(store.status.pending).toBe(2);
    world.comeBack('alice');
    await level(store);
    const counts = seen.map(({ pending }) => pending);
    expect([Math.max(...counts), counts.at(-1)]).toEqual([2, 0]);
    const made = await store.mutate.count({ id: 'c' });
    expect(store.status.pending).toBe(1);
    await made.confirmed;
    expect(store.status.pending).toBe(0);
  });

  test('[ST4] is offline while there is no way to the relay, and online when there is one again', async () => {
    const world = createWorld();
    const store = world.openOffline('alice');
    await when(store.status$, ({ state }) => state === 'offline');
    await store.ready;
    expect(store.status.state).toBe('offline');
    world.comeBack('alice');
    await store.synced;
    expect(store.status.state).toBe('online');
    world.goOffline('alice');
    expect(store.status.state).toBe('offline');
  });

  test('[ST5] comes back by itself after the link was cut', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await store.synced;
    const seen = collect(store.status$);
    world.hub.cut('alice');
    await when(store.status$, ({ state }) => state === 'offline');
    await kept(store.mutate.count({ id: 'c' }));
    expect(seen.map(({ state }) => state).filter((state, n, all) => state !== all[n - 1])).toEqual([
      'online',
      'offline',
      'connecting',
      'online',
    ]);
  });

  test('[ST5] comes back by itself after the relay closed, and says why it was offline', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await store.synced;
    const lost = when(store.status$, ({ state }) => state === 'offline');
    await world.relay.close();
    expect(await lost).toMatchObject({ reason: { code: 'relay.closed' } });
    await world.restart();
    await kept(store.mutate.count({ id: 'c' }));
    expect(store.status).toMatchObject({ state: 'online', reason: undefined });
  });

  test.each([
    ['schema.tooOld', 2],
    ['schema.tooNew', 0.5],
  ])('[ST6] is error with the reason %s while the relay speaks another schema; nothing is dropped', async (code, schemaVersion) => {
    const world = createWorld({ schemaVersion });
    const store = world.open('alice');
    const receipt = await store.mutate.note({ id: 'a', title: 'A' });
    const { reason } = await when(store.status$, ({ state }) => state === 'error');
    expect(reason).toMatchObject({ code, params: { mine: 1, theirs: schemaVersion } });
    world.comeBack('alice');
    await when(store.status$, ({ state }) => state === 'error');
    expect(store.status.pending).toBe(1);
    expect(store.table('notes').has('a')).toBe(true);
    await world.restart();
    await receipt.confirmed;
    expect(store.status).toMatchObject({ state: 'online', reason: undefined, pending: 0 });
  });

  test('[ST7] says whether what is written outlives the tab', async () => {
    const world = createWorld();
    const kept = world.open('alice');
    const lost = world.open('bob', { storage: memoryClientStorage() });
    await Promise.all([kept.synced, lost.synced]);
    expect([kept.status.durable, lost.status.durable]).toEqual([true, false]);
  });

  test('[ST8] that each observer hears last is the one that is, also when one of them writes', async () => {
    const world = createWorld();
    const store = world.open('alice');
    await store.ready;
    let isDone = false;
    store.status$.subscribe(({ state }) => {
      if (state !== 'online' || isDone) return;
      isDone = true;
      void store.mutate.count({ id: 'c' });
      expect(seen.length).toBeGreaterThan(0);
    });
    const seen = collect(store.status$);
    await store.synced;
    expect(store.status).toMatchObject({ state: 'online', pending: 1 });
    expect(seen.at(-1)).toEqual(store.status);
    await level(store);
    expect(seen.at(-1)).toEqual(store.status);
  });

  test('[ST9] is never online without a link, whenever that went', async () => {
    const world = createWorld();
    const gate = createGate();
    let runs = 0;
    const store = world.openOffline('alice', {
      async act(ctx) {
        ctx.table('counters').set('c', { n: 1 });
        if (++runs > 1) await gate.passed;
      },
    });
    const receipt = await store.mutate.act(null);
    world.comeBack('alice');
    await when(store.status$, ({ state }) => state === 'connecting');
    // The relay's answer makes the mutation run again; its link goes while that lasts.
    await expect.poll(() => runs, { interval: 1 }).toBe(2);
    world.goOffline('alice');
    expect(store.status.state).toBe('offline');
    const states = collect(store.status$);
    gate.open();
    await turns(10);
    expect(states.map(({ state }) => state)).not.toContain('online');
    world.comeBack('alice');
    await receipt.confirmed;
  });

  test('[ST10] is closed at the end, and completes; who comes later still gets it', async () => {
    const store = createWorld().open('alice');
    await store.synced;
    const seen = collect(store.status$);
    const ends: string[] = [];
    store.status$.subscribe({ complete: () => ends.push('status$') });
    store.rejections$.subscribe({ complete: () => ends.push('rejections$') });
    await store.close();
    expect([seen.at(-1)?.state, store.status.state]).toEqual(['closed', 'closed']);
    expect(ends.toSorted()).toEqual(['rejections$', 'status$']);
    expect(collect(store.status$).map(({ state }) => state)).toEqual(['closed']);
  });

  test('[ST10] stays closed, whatever was still under way', async () => {
    const world = createWorld();
    const gate = createGate();
    let runs = 0;
    const store = world.openOffline('alice', {
      async act(ctx) {
        ctx.table('counters').set('c', { n: 1 });
        if (++runs > 1) await gate.passed;
      },
    });
    await store.mutate.act(null);
    world.comeBack('alice');
    await expect.poll(() => runs, { interval: 1 }).toBe(2);
    await store.close();
    const closed = store.status;
    gate.open();
    await turns(10);
    expect(store.status).toBe(closed);
  });
});
