import type { ClientStorage } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { collect, createWorld } from './support.ts';

describe('a receipt', () => {
  test('[ST11] tells first that the device has the mutation, then that the relay keeps it', async () => {
    const world = createWorld();
    const store = world.openOffline('alice');
    const receipt = await store.mutate.note({ id: 'a', title: 'A' });
    const order: string[] = [];
    void receipt.confirmed.then(() => order.push('confirmed'));
    void receipt.stored.then(() => order.push('stored'));
    await receipt.stored;
    expect(order).toEqual(['stored']);
    world.comeBack('alice');
    await receipt.confirmed;
    expect(order).toEqual(['stored', 'confirmed']);
  });

  test('[ST11] of one link are confirmed in the order of their mutations', async () => {
    const store = createWorld().open('alice');
    const order: number[] = [];
    const made = Array.from({ length: 20 }, async (_, n) => {
      const { confirmed } = await store.mutate.count({ id: 'c' });
      await confirmed;
      order.push(n);
    });
    await Promise.all(made);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(store.table('counters').get('c')).toEqual({ n: 20 });
  });

  test('[ST12] has an id of its own, in every open of every store', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const ids: string[] = [];
    for (let open = 0; open < 3; open++) {
      const store = world.openOffline('alice', { storage });
      for (let n = 0; n < 3; n++) ids.push((await store.mutate.count({ id: 'c' })).id);
      await store.close();
    }
    expect(new Set(ids).size).toBe(9);
  });

  test('[ST13] stored rejects with storage.notDurable where the device keeps nothing; the relay keeps it all the same', async () => {
    const store = createWorld().open('alice', { storage: memoryClientStorage() });
    const receipt = await store.mutate.note({ id: 'a', title: 'A' });
    await receipt.confirmed;
    await expect(receipt.stored).rejects.toMatchObject({ code: 'storage.notDurable' });
  });
});

describe('a store that is loading', () => {
  test('[ST14] finds nothing yet; its mutations wait until it is ready, and happen in the order they were made', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const first = world.openOffline('alice', { storage });
    await first.mutate.count({ id: 'c', by: 5 });
    await first.close();
    const order: unknown[] = [];
    const store = world.openOffline('alice', { storage, act: (_, input) => void order.push(input) });
    expect(store.table('counters').list()).toEqual([]);
    const made = [store.mutate.act('first'), store.mutate.count({ id: 'c' })];
    // By who hears first that the loading is over.
    let hasHeard = false;
    store.status$.subscribe(({ state }) => {
      if (state === 'loading' || hasHeard) return;
      hasHeard = true;
      made.push(store.mutate.act('second'));
    });
    await store.ready;
    made.push(store.mutate.act('third'));
    await Promise.all(made);
    expect(order).toEqual(['first', 'second', 'third']);
    expect(store.table('counters').get('c')).toEqual({ n: 6 });
  });

  test('[ST15] whose storage cannot be opened says so, and works on in memory', async () => {
    const storage: ClientStorage = { open: () => Promise.reject(new Error('no disk')) };
    const store = createWorld().open('alice', { storage });
    const seen = collect(store.status$);
    const receipt = await store.mutate.count({ id: 'c' });
    expect(seen.map(({ reason }) => reason?.code)).toContain('storage.unavailable');
    await expect(receipt.stored).rejects.toMatchObject({ code: 'storage.notDurable' });
    await receipt.confirmed;
    expect(store.status).toMatchObject({ state: 'online', durable: false });
  });
});
