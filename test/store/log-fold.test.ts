import { createStore, type ClientDatabase, type ClientStorage, type StorageBatch, type StorageKey, type TabTransport } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWorld, level, mutatorsWith, schema, turns, upToDate, type TestStore, type World } from '../spec/support.ts';

const NAME = 'alice/room';

/** What lies on a device: the entry that its documents are of, and the entries of its log. */
async function read(storage: ClientStorage): Promise<{ readonly seq: number; readonly log: readonly number[]; readonly outbox: number }> {
  const pairs = await (await storage.open(NAME)).range([]);
  const base = pairs.find(([key]) => key[0] === 'base')?.[1] as { readonly seq: number } | undefined;
  const log = pairs.filter(([key]) => key[0] === 'log').map(([key]) => Number(key[3]));
  return { seq: base?.seq ?? 0, log, outbox: pairs.filter(([key]) => key[0] === 'outbox').length };
}

async function copyOf(storage: ClientStorage): Promise<ClientStorage> {
  const copy = memoryClientStorage({ durable: true });
  await (await copy.open(NAME)).write({ put: await (await storage.open(NAME)).range([]) });
  return copy;
}

/** Notes from another user, `count` of them, some deleted and some edited; all are confirmed. */
async function write(from: TestStore, count: number, name = 'n'): Promise<void> {
  for (let n = 0; n < count; n++) await from.mutate.note({ id: `${name}${n % 300}`, title: `${n}` });
  await level(from);
}

const rowsOf = (store: TestStore): unknown => Object.fromEntries(store.table('notes').entries());

/** A tab of alice with a line of its own to the relay. */
function openTab(world: World, line: string, storage: ClientStorage, ...tabs: TabTransport[]): TestStore {
  const parts = { schema, mutators: mutatorsWith(), room: 'room', userId: 'alice', storage };
  const store = createStore({ ...parts, transports: [world.hub.transport(line), ...tabs] });
  onTestFinished(() => store.close());
  return store;
}

/** What a device shows by itself. */
async function offline(world: World, storage: ClientStorage): Promise<unknown> {
  const store = world.openOffline('alice', { storage });
  await store.ready;
  expect(store.status.reason).toBeUndefined();
  const rows = rowsOf(store);
  await store.close();
  return rows;
}

describe('the log of a device', () => {
  it('[DV7] is folded into the documents while the tab is open, and what is read of it later is the same', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const alice = world.open('alice', { storage });
    const bob = world.open('bob');
    await level(alice, bob);
    let longest = 0;
    for (let n = 0; n < 10; n++) {
      await write(bob, 200);
      await alice.mutate.note({ id: `own ${n}`, title: 'from here' });
      await level(alice);
      longest = Math.max(longest, (await read(storage)).log.length);
    }
    expect(longest).toBeLessThan(1_000);
    await upToDate(world, alice, bob);
    const { seq, log } = await read(storage);
    // Two folds at least, and the log goes on where the documents end.
    expect(seq).toBeGreaterThan(1_000);
    expect(log).toEqual(Array.from({ length: 2_011 - seq }, (_, index) => seq + 1 + index));
    const rows = rowsOf(alice);
    expect(rows).toEqual(rowsOf(bob));
    await alice.close();
    expect(await offline(world, storage)).toEqual(rows);
    world.comeBack('alice');
    const again = world.open('alice', { storage });
    await again.mutate.note({ id: 'n0', title: 'stands on what was folded' });
    await level(again);
    expect(rowsOf(again)).toEqual({ ...(rows as object), n0: expect.objectContaining({ title: 'stands on what was folded' }) });
  }, 60_000);

  it('[DV12] is as long as before, and all is kept, when a fold fails', async () => {
    const world = createWorld();
    const real = memoryClientStorage({ durable: true });
    let failed = 0;
    const storage: ClientStorage = {
      async open(name) {
        const database = await real.open(name);
        const update: ClientDatabase['update'] = async (keys, change) => {
          const isFold = keys.some(([kind]) => kind === 'base');
          if (!isFold) return database.update(keys, change);
          failed += 1;
          throw new Error('no space for it');
        };
        return { ...database, update };
      },
    };
    const alice = world.open('alice', { storage });
    const bob = world.open('bob');
    await level(alice, bob);
    await write(bob, 900);
    await upToDate(world, alice, bob);
    await expect.poll(() => failed).toBeGreaterThan(0);
    expect(alice.status).toMatchObject({ durable: true, reason: undefined });
    const { seq, log } = await read(real);
    expect(seq + log.length).toBe(901);
    const rows = rowsOf(alice);
    await alice.close();
    expect(await offline(world, real)).toEqual(rows);
  });

  it('[DV8] is folded in a tab that always has something pending too, without what is pending', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const alice = world.open('alice', { storage });
    await level(alice);
    let made = 0;
    let quiet = 0;
    let isOver = false;
    const next = (): void => void alice.mutate.note({ id: `n${made % 50}`, title: `${made++}` });
    const subscription = alice.status$.subscribe(({ pending }) => {
      // Before the store does anything else, so that it never finds itself without.
      if (pending < 2 && !isOver) next();
      if (alice.status.pending === 0) quiet += 1;
    });
    onTestFinished(() => subscription.unsubscribe());
    quiet = 0;
    await expect.poll(async () => (await read(storage)).seq, { timeout: 50_000, interval: 50 }).toBeGreaterThan(1_500);
    expect(quiet).toBe(0);
    isOver = true;
    await level(alice);
    const rows = rowsOf(alice);
    expect((await read(storage)).outbox).toBe(0);
    await alice.close();
    expect(await offline(world, storage)).toEqual(rows);
  }, 60_000);

  it('[DV9] is folded by several tabs at once without losing an entry', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const channel = broadcastChannel({ prefix: crypto.randomUUID() });
    const tabs = ['one', 'two', 'three'].map((line) => openTab(world, line, storage, channel));
    const bob = world.open('bob');
    await level(...tabs, bob);
    for (let n = 0; n < 8; n++) {
      await write(bob, 200);
      await Promise.all(tabs.map((tab, index) => tab.mutate.note({ id: `own ${index}`, title: `${n}` })));
      // One is late, and writes entries that others have folded by then.
      if (n % 2 === 0) world.hub.hold('three');
      else world.hub.release('three');
    }
    world.hub.release('three');
    await upToDate(world, ...tabs, bob);
    await expect.poll(async () => (await read(storage)).seq).toBeGreaterThan(500);
    const { seq, log } = await read(storage);
    const later = log.filter((entry) => entry > seq);
    expect(later).toEqual(Array.from({ length: later.length }, (_, index) => seq + 1 + index));
    expect(seq + later.length).toBe(8 * 203 + 1);
    const rows = rowsOf(bob);
    for (const tab of tabs) {
      expect(rowsOf(tab)).toEqual(rows);
      await tab.close();
    }
    expect(await offline(world, storage)).toEqual(rows);
    // What the late one wrote again goes with the first start.
    const cleaned = await read(storage);
    expect(cleaned.log.filter((entry) => entry <= cleaned.seq)).toEqual([]);
  }, 60_000);
});

/** The device of a tab that dies with its n-th write: before it happens, or after. Nothing of it is heard from then on. */
function dyingStorage(real: ClientStorage, nth: number, way: 'before' | 'after') {
  let release = (): void => undefined;
  const never = new Promise<never>((_, reject) => (release = () => reject(new Error('the tab is gone'))));
  never.catch(() => undefined);
  let count = 0;
  const folds: number[] = [];
  async function call(run: () => Promise<void>): Promise<void> {
    count += 1;
    if (nth > 0 && count > nth) return never;
    if (count === nth && way === 'before') return never;
    await run();
    if (count === nth) return never;
  }
  const storage: ClientStorage = {
    async open(name): Promise<ClientDatabase> {
      const database = await real.open(name);
      return {
        ...database,
        write: (batch) => call(() => database.write(batch)),
        update: (keys, change) =>
          call(() =>
            database.update(keys, (values) => {
              const batch: StorageBatch = change(values);
              if (batch.put?.some(([key]: readonly [StorageKey, unknown]) => key[0] === 'base')) folds.push(count);
              return batch;
            }),
          ),
        // What is on its way when a tab dies nobody waits for.
        close: async () => undefined,
      };
    },
  };
  return { storage, folds, release, count: () => count };
}

it.each(['before', 'after'] as const)(
  '[DV10] a tab may die at each write around a fold (%s it happens): the next open has all that was confirmed or pending',
  async (way) => {
    const world = createWorld();
    const bob = world.open('bob');
    const prepared = memoryClientStorage({ durable: true });
    const first = world.open('alice', { storage: prepared });
    await level(first, bob);
    await write(bob, 490);
    await level(first);
    await first.close();

    await write(bob, 400);

    async function live(nth: number): Promise<ReturnType<typeof dyingStorage>> {
      const real = await copyOf(prepared);
      const dying = dyingStorage(real, nth, way);
      const isDead = (): boolean => nth > 0 && dying.count() >= nth;
      const id = `pending ${way} ${nth}`;
      const line = `alice ${nth}`;
      world.goOffline(line);
      let isStored = false;
      const tab = openTab(world, line, dying.storage);
      // Before the store is closed, which would wait for it.
      onTestFinished(dying.release);
      tab.mutate
        .note({ id, title: 'made offline' })
        .then(({ stored }) => stored)
        .then(() => (isStored = true))
        .catch(() => undefined);
      await turns(10);
      world.comeBack(line);
      await expect.poll(() => isDead() || (dying.folds.length > 0 && tab.status.pending === 0)).toBe(true);
      world.goOffline(line);
      world.hub.cut(line);

      const again = world.openOffline('alice', { storage: real });
      await again.ready;
      expect(again.status.reason, `${nth}`).toBeUndefined();
      if (isStored) expect(again.table('notes').has(id), `${nth}`).toBe(true);
      world.comeBack('alice');
      await upToDate(world, again, bob);
      expect(again.table('notes').has(id), `${nth}`).toBe(isStored || bob.table('notes').has(id));
      expect(rowsOf(again), `${nth}`).toEqual(rowsOf(bob));
      await again.close();
      return dying;
    }

    const whole = await live(0);
    expect(whole.folds).toHaveLength(1);
    expect(whole.count()).toBeGreaterThan(3);
    for (let nth = 1; nth <= whole.count(); nth++) await live(nth);
  },
  60_000,
);

it('[DV11] a device without a relay puts its records together while the tab is open, and reads the same from them', async () => {
  const storage = memoryClientStorage({ durable: true });
  const open = (): TestStore => {
    const store = createStore({ schema, mutators: mutatorsWith(), room: 'room', userId: 'alice', storage, transports: [] });
    onTestFinished(() => store.close());
    return store;
  };
  const alice = open();
  let most = 0;
  for (let n = 0; n < 1_700; n++) {
    const { confirmed } = await alice.mutate.note({ id: `n${n % 100}`, title: `${n}` });
    await confirmed;
    if (n % 100 === 0) most = Math.max(most, (await (await storage.open(`${NAME}/alone`)).range(['update'])).length);
  }
  expect(most).toBeGreaterThan(300);
  expect(most).toBeLessThan(600);
  const rows = rowsOf(alice);
  await alice.close();
  const again = open();
  await again.ready;
  expect(rowsOf(again)).toEqual(rows);
  expect(Object.keys(rows as object)).toHaveLength(100);
});
