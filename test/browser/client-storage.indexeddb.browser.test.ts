import { indexedDb } from 'cotable/adapters/indexeddb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { clientStorageSuite } from '../conformance/client-storage.suite.ts';

type ClientDatabase = Awaited<ReturnType<ReturnType<typeof indexedDb>['open']>>;

clientStorageSuite('indexeddb', () => indexedDb({ prefix: 'suite' }), { durable: 'unknown' });

describe('the indexeddb adapter', () => {
  let name: string;
  beforeEach(() => {
    name = `room-${crypto.randomUUID()}`;
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  const put = (database: ClientDatabase, key: string, value: unknown): Promise<void> => database.write({ put: [[[key], value]] });
  const exists = async (databaseName: string): Promise<boolean> =>
    (await indexedDB.databases()).some((found) => found.name === databaseName);

  /** The browser's own connection below a database. */
  async function connectionOf(database: ClientDatabase): Promise<IDBDatabase> {
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction');
    await database.range(['nothing']);
    const connection = spy.mock.contexts.at(-1) as IDBDatabase | undefined;
    spy.mockRestore();
    if (!connection) throw new Error('range made no transaction');
    return connection;
  }

  /** `delete` is the request's outcome; `wasBlocked` whether the browser said that connections stand in its way. */
  async function deleteRaw(databaseName: string): Promise<{ wasBlocked: boolean }> {
    let wasBlocked = false;
    const request = indexedDB.deleteDatabase(databaseName);
    request.addEventListener('blocked', () => (wasBlocked = true));
    await settled(request);
    return { wasBlocked };
  }

  test('[IX1] databases are named prefix/name; the prefix is `cotable` when none is given', async () => {
    await indexedDb().open(name);
    await indexedDb({ prefix: 'mine' }).open(name);
    expect([await exists(`cotable/${name}`), await exists(`mine/${name}`)]).toEqual([true, true]);
  });

  test('[IX2] an open database does not block its deletion', async () => {
    const database = await indexedDb().open(name);
    await put(database, 'a', 1);
    expect(await deleteRaw(`cotable/${name}`)).toEqual({ wasBlocked: false });
  });

  test('[IX2] a deleted database is not made again: its opens reject with storage.closed, even when somebody else makes it anew', async () => {
    const old = await indexedDb().open(name);
    await put(old, 'a', 1);
    await deleteRaw(`cotable/${name}`);
    await expect(put(old, 'b', 2)).rejects.toMatchObject({ name: 'CotableError', code: 'storage.closed' });
    await expect(old.range([])).rejects.toMatchObject({ code: 'storage.closed' });
    expect(await exists(`cotable/${name}`)).toBe(false);
    const anew = await indexedDb().open(name);
    await expect(put(old, 'c', 3)).rejects.toMatchObject({ code: 'storage.closed' });
    expect(await anew.range([])).toEqual([]);
  });

  test('[IX2] an old open does not take a database made anew for its own', async () => {
    const old = await indexedDb().open(name);
    await deleteRaw(`cotable/${name}`);
    const anew = await indexedDb().open(name);
    await expect(put(old, 'a', 1)).rejects.toMatchObject({ code: 'storage.closed' });
    expect(await anew.range([])).toEqual([]);
  });

  test('[IX2] writes that were begun before a deletion still happen', async () => {
    const database = await indexedDb().open(name);
    const writes = Array.from({ length: 20 }, (_, index) => put(database, 'a', index));
    await database.range([]);
    const deleted = deleteRaw(`cotable/${name}`);
    await Promise.all(writes);
    expect(await deleted).toEqual({ wasBlocked: false });
  });

  test('[IX3] a connection that the browser closed is opened again; batches keep their order and the values of their call', async () => {
    const database = await indexedDb().open(name);
    await put(database, 'a', 'before');
    (await connectionOf(database)).close();
    const value = { text: 'first' };
    const writes = [put(database, 'a', value), put(database, 'b', value), database.write({ delete: [['b']] })];
    value.text = 'changed';
    await Promise.all(writes);
    expect(await database.range([])).toEqual([[['a'], { text: 'first' }]]);
    (await connectionOf(database)).close();
    expect(await database.range([])).toEqual([[['a'], { text: 'first' }]]);
  });

  test('[IX3] one new connection serves all batches, in order, whichever moment of the opening they come in', async () => {
    const database = await indexedDb().open(name);
    (await connectionOf(database)).close();
    const opens = vi.spyOn(IDBFactory.prototype, 'open');
    const writes: Promise<void>[] = [];
    for (let index = 0; index < 50; index++) {
      writes.push(put(database, 'a', index), put(database, 'a', `${index} again`));
      await Promise.resolve();
    }
    await Promise.all(writes);
    expect(opens).toHaveBeenCalledTimes(1);
    expect(await database.range([])).toEqual([[['a'], '49 again']]);
  });

  test('[IX3] a database that was deleted while the connection was closed is not made again', async () => {
    const database = await indexedDb().open(name);
    (await connectionOf(database)).close();
    await deleteRaw(`cotable/${name}`);
    await expect(put(database, 'a', 1)).rejects.toMatchObject({ code: 'storage.closed' });
    expect(await exists(`cotable/${name}`)).toBe(false);
    await indexedDb().open(name);
    await expect(put(database, 'a', 1)).rejects.toMatchObject({ code: 'storage.closed' });
  });

  test('[IX3] it is opened again once: a browser that keeps closing it is storage.unavailable, and later calls try again', async () => {
    const database = await indexedDb().open(name);
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(() => {
      throw new DOMException('The database connection is closing.', 'InvalidStateError');
    });
    await expect(put(database, 'a', 1)).rejects.toMatchObject({ code: 'storage.unavailable' });
    expect(spy).toHaveBeenCalledTimes(2);
    spy.mockRestore();
    await put(database, 'a', 2);
    expect(await database.range([])).toEqual([[['a'], 2]]);
  });

  test('[IX4] an open that another tab holds up rejects with storage.blocked and leaves nothing open behind', async () => {
    const other = await settled(indexedDB.open(`cotable/${name}`));
    const deletion = indexedDB.deleteDatabase(`cotable/${name}`);
    await new Promise((resolve) => deletion.addEventListener('blocked', resolve));
    const storage = indexedDb({ openTimeoutMs: 20 });
    await expect(storage.open(name)).rejects.toMatchObject({ name: 'CotableError', code: 'storage.blocked' });
    other.close();
    await settled(deletion);
    const database = await storage.open(name);
    await put(database, 'a', 1);
    await database.close();
    expect(await deleteRaw(`cotable/${name}`)).toEqual({ wasBlocked: false });
  });

  test('[IX5] no space left is storage.quota and changes nothing', async () => {
    const { storageBuckets } = navigator as unknown as StorageBuckets;
    const bucket = await storageBuckets.open(`small-${crypto.randomUUID()}`, { quota: 1_000_000 });
    vi.stubGlobal('indexedDB', bucket.indexedDB);
    const database = await indexedDb().open(name);
    await put(database, 'kept', 1);
    const large = Array.from({ length: 30 }, (_, index) => [['large', index], crypto.getRandomValues(new Uint8Array(65_536))] as const);
    await expect(database.write({ put: large, delete: [['kept']] })).rejects.toMatchObject({ name: 'CotableError', code: 'storage.quota' });
    expect(await database.range([])).toEqual([[['kept'], 1]]);
  });

  test('[IX6] without IndexedDB, open rejects with storage.notDurable', async () => {
    vi.stubGlobal('indexedDB', undefined);
    await expect(indexedDb().open(name)).rejects.toMatchObject({ name: 'CotableError', code: 'storage.notDurable' });
  });

  test('[IX6] so it does where the page may not use it', async () => {
    vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(() => {
      throw new DOMException('access to the Indexed Database API is denied in this context', 'SecurityError');
    });
    await expect(indexedDb().open(name)).rejects.toMatchObject({ name: 'CotableError', code: 'storage.notDurable' });
  });

  test('[IX7] any other failure is storage.unavailable with the browser’s words, and its error as the cause', async () => {
    const newer = await settled(indexedDB.open(`cotable/${name}`, 1000));
    newer.close();
    const refused = indexedDb().open(name);
    await expect(refused).rejects.toMatchObject({ code: 'storage.unavailable', params: { reason: expect.stringContaining('version') } });
    await expect(refused).rejects.toHaveProperty('cause.name', 'VersionError');
  });

  test('[IX8] a value that cannot be stored, though it can be cloned, aborts the whole batch', async () => {
    const database = await indexedDb().open(name);
    await put(database, 'kept', 1);
    const code = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const batch = {
      delete: [['kept']],
      put: [
        [['before'], 1],
        [['code'], code],
      ] as const,
    };
    await expect(database.write(batch)).rejects.toMatchObject({ name: 'CotableError', code: 'storage.unavailable' });
    expect(await database.range([])).toEqual([[['kept'], 1]]);
  });

  test('[IX9] close lets the browser’s connection go', async () => {
    const database = await indexedDb().open(name);
    const connection = await connectionOf(database);
    await database.close();
    expect(() => connection.transaction('records')).toThrow(/clos/);
  });

  test('[IX10] it is durable once the browser has promised to keep this site’s data, and unknown before', async () => {
    const told: unknown[] = [];
    let answer = (_: boolean): void => undefined;
    vi.spyOn(navigator.storage, 'persisted').mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const database = await indexedDb().open(name, { durability: (durable) => void told.push(durable, database.durable) });
    expect(database.durable).toBe('unknown');
    answer(true);
    await vi.waitFor(() => expect(database.durable).toBe(true));
    expect(told).toEqual([true, true]);
  });

  test('[IX10] a browser that promises nothing, or cannot, leaves it unknown', async () => {
    vi.spyOn(navigator.storage, 'persisted').mockResolvedValueOnce(false).mockRejectedValueOnce(new TypeError('no origin'));
    for (let n = 0; n < 2; n++) {
      const database = await indexedDb().open(name);
      await put(database, 'a', 1);
      expect(database.durable).toBe('unknown');
    }
    vi.stubGlobal('navigator', {});
    expect((await indexedDb().open(name)).durable).toBe('unknown');
  });

  test('[IX11] the browser is asked to keep it only when the app says so, and nothing waits for the answer', async () => {
    const asked = vi.spyOn(navigator.storage, 'persist').mockReturnValue(new Promise(() => undefined));
    await indexedDb().open(name);
    expect(asked).not.toHaveBeenCalled();
    const database = await indexedDb({ persist: true }).open(name);
    expect(asked).toHaveBeenCalledTimes(1);
    await put(database, 'a', 1);
    expect(database.durable).toBe('unknown');
  });

  test('[IX12] an open tells when what was there is gone, once; not at the first, nor when it was deleted under a page', async () => {
    const first = await indexedDb().open(name);
    expect(first.wasLost).toBe(false);
    await first.close();
    await deleteRaw(`cotable/${name}`);
    const evicted = await indexedDb().open(name);
    expect(evicted.wasLost).toBe(true);
    expect(await evicted.range([])).toEqual([]);
    const second = await indexedDb().open(name);
    expect(second.wasLost).toBe(false);
    await deleteRaw(`cotable/${name}`);
    expect((await indexedDb().open(name)).wasLost).toBe(false);
  });

  test('[IX12] without localStorage nothing is told, and all else works', async () => {
    vi.spyOn(Storage.prototype, 'getItem').mockImplementation(() => {
      throw new DOMException('access is denied', 'SecurityError');
    });
    const database = await indexedDb().open(name);
    await put(database, 'a', 1);
    await database.close();
    await deleteRaw(`cotable/${name}`);
    expect((await indexedDb().open(name)).wasLost).toBe(false);
  });

  test('[IX13] an open hears that its database is deleted while it asks nothing of it', async () => {
    const told: unknown[] = [];
    const database = await indexedDb().open(name, { durability: (durable) => void told.push(durable) });
    await deleteRaw(`cotable/${name}`);
    await vi.waitFor(() => expect(told).toEqual([false]));
    expect(database.durable).toBe(false);
  });

  test('[IX13] so it does of an upgrade to a layout that it does not know', async () => {
    const told: unknown[] = [];
    const database = await indexedDb().open(name, { durability: (durable) => void told.push(durable) });
    const newer = await settled(indexedDB.open(`cotable/${name}`, 1000));
    await vi.waitFor(() => expect(told).toEqual([false]));
    await expect(put(database, 'a', 1)).rejects.toMatchObject({
      code: 'storage.unavailable',
      params: { reason: expect.stringContaining('version') },
    });
    newer.close();
  });

  test('[IX14] a connection that the browser closed finds another database of that name, and does not take it for its own', async () => {
    const told: unknown[] = [];
    const old = await indexedDb().open(name, { durability: (durable) => void told.push(durable) });
    await put(old, 'a', 'old');
    const connection = await connectionOf(old);
    connection.close();
    await deleteRaw(`cotable/${name}`);
    const anew = await indexedDb().open(name);
    await put(anew, 'a', 'new');
    // What the browser tells of a connection that it closed.
    connection.dispatchEvent(new Event('close'));
    await vi.waitFor(() => expect(told).toEqual([false]));
    await expect(put(old, 'a', 'old again')).rejects.toMatchObject({ code: 'storage.closed' });
    expect(await anew.range([])).toEqual([[['a'], 'new']]);
  });
});

/** Parts of an origin's storage with a quota of their own; not in TypeScript's library yet. */
interface StorageBuckets {
  readonly storageBuckets: { open(name: string, options: { quota: number }): Promise<{ readonly indexedDB: IDBFactory }> };
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('no reason given')));
  });
}
