import { createStore, type ClientDatabase, type ClientStorage, type DatabaseWatch, type Durability } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createTabNet } from '../tabs/tab-net.ts';
import { collect, createWorld, level, mutatorsWith, schema, type TestStore } from '../spec/support.ts';

/** A storage that says of itself what it is told to say. */
function honest(first: Durability, wasLost = false) {
  const real = memoryClientStorage({ durable: true });
  let durable = first;
  let error: unknown;
  const watches: DatabaseWatch[] = [];
  const unlessGone = <A extends unknown[], T>(run: (...args: A) => Promise<T>): ((...args: A) => Promise<T>) => {
    return async (...args) => {
      if (error !== undefined) throw error;
      return run(...args);
    };
  };
  const storage: ClientStorage = {
    async open(name, watch) {
      const database = await real.open(name);
      if (watch) watches.push(watch);
      return {
        get durable() {
          return durable;
        },
        wasLost: wasLost && watches.length === 1,
        range: unlessGone(database.range),
        write: unlessGone(database.write),
        update: unlessGone(database.update),
        close: database.close,
      };
    },
  };
  return {
    storage,
    tell(next: Durability, reason?: unknown): void {
      durable = next;
      error = reason;
      for (const watch of watches) watch.durability(next);
    },
  };
}

const GONE = Object.assign(new Error('gone'), { name: 'CotableError', code: 'storage.closed', params: {} });

describe('how durable a store is', () => {
  it('[DV1] is unknown while it loads, then what its database says, and follows that', async () => {
    const world = createWorld();
    const disk = honest('unknown');
    const alice = world.open('alice', { storage: disk.storage });
    const seen = collect(alice.status$);
    expect(alice.status).toMatchObject({ state: 'loading', durable: 'unknown' });
    await level(alice);
    await (
      await alice.mutate.note({ id: 'a', title: 'kept, as far as anybody can tell' })
    ).stored;
    expect(new Set(seen.map(({ durable }) => durable))).toEqual(new Set(['unknown']));
    disk.tell(true);
    expect(alice.status).toMatchObject({ state: 'online', durable: true, reason: undefined });
    await level(alice);
  });

  it('[DV2] turns false, with the reason, when the database is gone while nobody uses it; what is made then is confirmed and not stored', async () => {
    const world = createWorld();
    const disk = honest(true);
    const alice = world.open('alice', { storage: disk.storage });
    await level(alice);
    disk.tell(false, GONE);
    await expect.poll(() => alice.status).toMatchObject({ state: 'online', durable: false, reason: { code: 'storage.closed' } });
    disk.tell(true, GONE);
    expect(alice.status.durable).toBe(false);
    const receipt = await alice.mutate.note({ id: 'a', title: 'in memory' });
    await expect(receipt.stored).rejects.toMatchObject({ code: 'storage.closed' });
    await receipt.confirmed;
  });
});

describe('a device that was evicted', () => {
  it('[DV3] says so until the relay has made up for it, once, and is a newcomer with all that was confirmed', async () => {
    const world = createWorld();
    const before = world.open('alice', { storage: honest('unknown').storage });
    const first = await before.mutate.note({ id: 'a', title: 'confirmed' });
    await level(before);
    await before.close();

    const evicted = honest('unknown', true);
    const alice = world.openOffline('alice', { storage: evicted.storage });
    await alice.ready;
    expect(alice.status).toMatchObject({
      durable: 'unknown',
      reason: { code: 'storage.corrupt', params: { record: 'the database is gone' } },
    });
    const second = await alice.mutate.note({ id: 'b', title: 'since then' });
    await second.stored;
    world.comeBack('alice');
    await level(alice);
    expect(alice.status.reason).toBeUndefined();
    expect(alice.table('notes').count()).toBe(2);
    // Each open has a name of its own, and begins its mutations' ids with it.
    expect(second.id.split('-')[0]).not.toBe(first.id.split('-')[0]);
    await alice.close();
    const again = world.openOffline('alice', { storage: evicted.storage });
    await again.ready;
    expect(again.status.reason).toBeUndefined();
  });

  it('[DV3] without a relay says so for as long as it is open', async () => {
    const parts = { schema, mutators: mutatorsWith(), room: 'room', transports: [] };
    const store = createStore({ ...parts, storage: honest('unknown', true).storage });
    onTestFinished(() => store.close());
    await store.ready;
    await (
      await store.mutate.note({ id: 'a', title: 'a new beginning' })
    ).confirmed;
    expect(store.status).toMatchObject({ state: 'alone', durable: 'unknown', reason: { code: 'storage.corrupt' } });
  });

  it('[DV4] in part, its own record among it, says so, and works on as another device', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const before = world.open('alice', { storage });
    await before.mutate.note({ id: 'a', title: 'confirmed' });
    await level(before);
    await before.close();
    await (await storage.open('alice/room')).write({ delete: [['device']] });
    const alice = world.openOffline('alice', { storage });
    await alice.ready;
    expect(alice.status.reason).toMatchObject({ code: 'storage.corrupt', params: { record: 'the device' } });
    expect(alice.table('notes').get('a')?.title).toBe('confirmed');
    world.comeBack('alice');
    await level(alice);
    expect(alice.status.reason).toBeUndefined();
  });
});

describe('a storage that never answers', () => {
  const never = (): Promise<never> => new Promise(() => undefined);

  /** The database of a device, some calls of which nobody ever hears of again once it is `deaf`. */
  function deafStorage(calls: Partial<ClientDatabase>): { readonly storage: ClientStorage; deafen(): void } {
    const real = memoryClientStorage({ durable: true });
    let isDeaf = false;
    return {
      deafen: () => void (isDeaf = true),
      storage: {
        async open(name) {
          const database = await real.open(name);
          const { range = database.range, write = database.write, update = database.update, close = database.close } = calls;
          return {
            ...database,
            range: (prefix) => (isDeaf ? range : database.range)(prefix),
            write: (batch) => (isDeaf ? write : database.write)(batch),
            update: (keys, change) => (isDeaf ? update : database.update)(keys, change),
            close: () => (isDeaf ? close : database.close)(),
          };
        },
      },
    };
  }

  function openWith(storage: ClientStorage): { readonly alice: TestStore; readonly wait: (ms: number) => Promise<unknown> } {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    return { alice: createWorld().open('alice', { storage }), wait: (ms) => vi.advanceTimersByTimeAsync(ms) };
  }

  it('[DV5] to an open is done without, in memory, after 15 s', async () => {
    const { alice, wait } = openWith({ open: never });
    await wait(14_000);
    expect(alice.status.state).toBe('loading');
    await wait(1_000);
    await alice.ready;
    expect(alice.status).toMatchObject({
      durable: false,
      reason: { code: 'storage.unavailable', params: { reason: expect.stringContaining('open') } },
    });
    await alice.synced;
    await expect((await alice.mutate.note({ id: 'a', title: 'in memory' })).stored).rejects.toMatchObject({ code: 'storage.notDurable' });
  });

  it('[DV5] to a first read is an error that the status shows, after 15 s: what it holds is not known', async () => {
    const deaf = deafStorage({ range: never });
    deaf.deafen();
    const { alice, wait } = openWith(deaf.storage);
    const [ready] = [expect(alice.ready).rejects.toMatchObject({ code: 'storage.unavailable' }), await wait(15_000)];
    await ready;
    expect(alice.status).toMatchObject({ state: 'error', reason: { params: { reason: expect.stringContaining('read') } } });
    await expect(alice.mutate.note({ id: 'a', title: 'never' })).rejects.toMatchObject({ code: 'storage.unavailable' });
  });

  it('[DV5] to its first write is done without after 15 s, and says so', async () => {
    const deaf = deafStorage({ update: never });
    deaf.deafen();
    const { alice, wait } = openWith(deaf.storage);
    const [ready] = [alice.ready, await wait(15_000)];
    await ready;
    expect(alice.status).toMatchObject({ durable: false, reason: { params: { reason: expect.stringContaining('write') } } });
    await alice.synced;
    await (
      await alice.mutate.note({ id: 'a', title: 'sent' })
    ).confirmed;
  });

  it('[DV6] to anything but the first read is waited for once, by a tab that takes over from others too', async () => {
    const deaf = deafStorage({ range: never, write: never, update: never });
    const world = createWorld();
    const tabs = createTabNet();
    const gone = world.open('alice', { storage: deaf.storage });
    await gone.synced;
    world.hub.setAvailable('alice', false);
    await gone.mutate.note({ id: 'a', title: 'of a tab that hangs' }).then(({ stored }) => stored);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const transports = [world.hub.transport('other'), tabs.transport('other')];
    const other = createStore({ schema, mutators: mutatorsWith(), room: 'room', storage: deaf.storage, transports, userId: 'alice' });
    onTestFinished(() => other.close());
    await other.ready;
    deaf.deafen();
    // Second by second: what is said between them takes its turns.
    for (let second = 0; second < 30; second++) await vi.advanceTimersByTimeAsync(1_000);
    expect(other.status).toMatchObject({ state: 'online', durable: false, reason: { code: 'storage.unavailable' } });
    await vi.advanceTimersByTimeAsync(20_000);
  });

  it('[DV6] to a later write keeps nothing from being sent, and nothing from being closed', async () => {
    const deaf = deafStorage({ write: never, close: never });
    const { alice, wait } = openWith(deaf.storage);
    await alice.synced;
    expect(alice.status.durable).toBe(true);
    deaf.deafen();
    const receipt = await alice.mutate.note({ id: 'a', title: 'sent' });
    const [stored] = [expect(receipt.stored).rejects.toMatchObject({ code: 'storage.unavailable' }), await wait(15_000)];
    await stored;
    await receipt.confirmed;
    expect(alice.status).toMatchObject({ state: 'online', durable: false, reason: { code: 'storage.unavailable' } });
    const [closed] = [alice.close(), await wait(45_000)];
    await closed;
    expect(alice.status.state).toBe('closed');
  });
});
