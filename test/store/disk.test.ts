import { CotableError, createStore, type ClientStorage, type StorageBatch, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { describe, expect, it, onTestFinished } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';

/** A storage that notes each transaction, and can hold them back. */
function watched(): { readonly storage: ClientStorage; readonly batches: StorageBatch[]; hold(): () => void } {
  const real = memoryClientStorage({ durable: true });
  const batches: StorageBatch[] = [];
  let gate: Promise<void> | undefined;
  return {
    batches,
    hold() {
      let release = (): void => undefined;
      gate = new Promise((resolve) => (release = resolve));
      return () => {
        gate = undefined;
        release();
      };
    },
    storage: {
      async open(name) {
        const database = await real.open(name);
        return {
          ...database,
          async write(batch) {
            await gate;
            batches.push(batch);
            await database.write(batch);
          },
        };
      },
    },
  };
}

interface Scene {
  readonly store: Store<typeof schema>;
  readonly reader: Store<typeof schema>;
  readonly disk: ReturnType<typeof watched>;
}

async function scene(): Promise<Scene> {
  const hub = memoryHub();
  const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage(), acceptors: [hub.acceptor()] });
  onTestFinished(() => relay.close());
  const disk = watched();
  const parts = { schema, mutators, room: 'room', transports: [hub.transport()] };
  const store = createStore({ ...parts, storage: disk.storage, userId: 'ann' });
  const reader = createStore({ ...parts, storage: memoryClientStorage(), userId: 'ben' });
  onTestFinished(async () => void (await Promise.all([store.close(), reader.close()])));
  await Promise.all([store.synced, reader.synced]);
  return { store, reader, disk };
}

const keysOf = (list: StorageBatch['put']): unknown[] => (list ?? []).map(([key]) => key[0]);

describe('what a store writes to its device', () => {
  it('[DK1] a confirmed mutation goes into the log in the very transaction that takes it out of the outbox', async () => {
    const { store, disk } = await scene();
    disk.batches.length = 0;
    const receipt = await store.mutate.write({ id: 'a', text: 'A' });
    await receipt.confirmed;
    await expect.poll(() => disk.batches.length).toBe(2);
    expect(disk.batches.map((batch) => [keysOf(batch.put), (batch.delete ?? []).map((key) => key[0])])).toEqual([
      [['outbox'], []],
      [['log'], ['outbox']],
    ]);
  });

  it('[DK2] a mutation is seen by nobody else before it is in the outbox on disk', async () => {
    const { store, reader, disk } = await scene();
    const release = disk.hold();
    const receipt = await store.mutate.write({ id: 'held', text: 'A' });
    expect(store.table('notes').has('held')).toBe(true);
    // The link is fine: what others write goes there and back meanwhile.
    for (let n = 0; n < 20; n++) await (await reader.mutate.write({ id: 'other', text: String(n) })).confirmed;
    await expect.poll(() => store.table('notes').get('other')?.text).toBe('19');
    expect(reader.table('notes').has('held')).toBe(false);
    release();
    await receipt.confirmed;
    await expect.poll(() => reader.table('notes').has('held')).toBe(true);
  });

  it('[DK3] what is made while the disk is busy goes there in one transaction', async () => {
    const { store, disk } = await scene();
    // What is written at the start is done.
    await new Promise((resolve) => setImmediate(resolve));
    const release = disk.hold();
    const receipts = await Promise.all(Array.from({ length: 50 }, (_, n) => store.mutate.write({ id: `n${n}`, text: '' })));
    disk.batches.length = 0;
    release();
    await Promise.all(receipts.map((receipt) => receipt.stored));
    expect(disk.batches.slice(0, 2).map((batch) => keysOf(batch.put).length)).toEqual([1, 49]);
  });
});

describe('a store whose storage is deleted', () => {
  it('[ST23] while it opens goes on in memory, and says so', async () => {
    const real = memoryClientStorage({ durable: true });
    const storage: ClientStorage = {
      async open(name) {
        const database = await real.open(name);
        return { ...database, range: () => Promise.reject(new CotableError('storage.closed', {})) };
      },
    };
    const store = createStore({ schema, mutators, room: 'room', transports: [], storage });
    onTestFinished(() => store.close());
    await store.ready;
    await store.mutate.write({ id: 'n', text: 'here' });
    expect(store.table('notes').count()).toBe(1);
    expect(store.status).toMatchObject({ state: 'alone', durable: false, reason: { code: 'storage.closed' } });
  });
});
