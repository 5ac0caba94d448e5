import { memoryClientStorage } from 'cotable/adapters/memory';
import { createStore, type ClientStorage, type StorageKey } from 'cotable';
import { describe, expect, it } from 'vitest';
import { createWorld, kept, level, mutatorsWith, schema, when, type TestStore, type World } from '../spec/support.ts';

const garbage = new Uint8Array([255, 255, 255, 1, 2, 3]);

async function damage(storage: ClientStorage, name: string, hits: (key: StorageKey) => boolean): Promise<number> {
  const database = await storage.open(name);
  const keys = (await database.range([])).map(([key]) => key).filter(hits);
  await database.write({ put: keys.map((key) => [key, garbage]) });
  return keys.length;
}

/** A device that alice has written on, with something pending, now closed. */
async function used(): Promise<{ readonly world: World; readonly storage: ClientStorage; open(): TestStore }> {
  const world = createWorld();
  const storage = memoryClientStorage({ durable: true });
  const open = (): TestStore => world.open('alice', { storage });
  const alice = open();
  await level(alice);
  for (let n = 0; n < 510; n++) await alice.mutate.note({ id: `n${n}`, title: 'kept' });
  await level(alice);
  await alice.close();
  // Opening folds the log into the documents.
  const again = open();
  await level(again);
  await kept(again.mutate.note({ id: 'logged', title: 'in the log' }));
  world.goOffline('alice');
  world.hub.cut('alice');
  const pending = [await again.mutate.note({ id: 'p', title: 'pending' }), await again.mutate.note({ id: 'q', title: 'pending too' })];
  await Promise.all(pending.map(({ stored }) => stored));
  await again.close();
  return { world, storage, open };
}

describe('a device whose data is damaged', () => {
  it.each([
    ['documents', (key: StorageKey) => key[0] === 'doc'],
    ['an entry of the log', (key: StorageKey) => key[0] === 'log'],
    ['documents and log', (key: StorageKey) => key[0] === 'doc' || key[0] === 'log'],
  ])('[DK4] in %s has it from the relay', async (_, hits) => {
    const { world, storage, open } = await used();
    expect(await damage(storage, 'alice/room', hits)).toBeGreaterThan(0);
    const alice = open();
    await alice.ready;
    expect(alice.status.reason?.code).toBe('storage.corrupt');
    expect(alice.table('notes').get('p')?.title).toBe('pending');
    world.comeBack('alice');
    await level(alice);
    expect(alice.status.reason).toBeUndefined();
    expect(alice.table('notes').count()).toBe(513);
    await alice.close();
    const later = open();
    await later.ready;
    expect(later.status.reason).toBeUndefined();
    expect(later.table('notes').count()).toBe(513);
  });

  it('[DK5] in a pending mutation sends the others', async () => {
    const { world, storage, open } = await used();
    const first = { hit: false };
    await damage(storage, 'alice/room', (key) => key[0] === 'outbox' && !first.hit && (first.hit = true));
    const alice = open();
    await alice.ready;
    expect(alice.status.reason?.code).toBe('storage.corrupt');
    world.comeBack('alice');
    await level(alice);
    expect(alice.table('notes').count()).toBe(512);
  });

  it('[DK6] and that has no relay is of no use, and says so', async () => {
    const storage = memoryClientStorage({ durable: true });
    const open = (): TestStore => createStore({ schema, mutators: mutatorsWith(), room: 'room', userId: 'alice', storage, transports: [] });
    const first = open();
    await kept(first.mutate.note({ id: 'a', title: 't' }));
    await first.close();
    await damage(storage, 'alice/room/alone', (key) => key[0] === 'update');
    const second = open();
    await expect(second.ready).rejects.toMatchObject({ code: 'storage.corrupt' });
    await expect(second.mutate.note({ id: 'b', title: 't' })).rejects.toMatchObject({ code: 'storage.corrupt' });
    await when(second.status$, ({ state }) => state === 'error');
    await second.close();
  });
});
