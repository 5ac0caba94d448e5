import { promisifyRequest, type UseStore } from 'idb-keyval';
import { CotableError, isCotableError } from '../src/errors.ts';

const STORE = 'records';
/** Of the layout: one object store without a key path. */
const VERSION = 1;
/** Where a database keeps its birth, a random name: no list, so no key of a record. */
const BIRTH = 'birth';

/** One database that may lose its connection and find it again. */
export interface Connection {
  /** Resolves when the database is open: with its birth, which tells it from another of the same name. */
  ready(): Promise<string>;
  /**
   * Runs `callback` in a transaction of its own; transactions begin in the order of the calls. What `callback` throws
   * aborts the transaction. It may not await: a transaction ends when nothing is asked of it.
   */
  readonly use: UseStore;
  /** Closes after what was begun. Later calls of `use` reject with `storage.closed`. */
  close(): Promise<void>;
}

/**
 * Keeps a connection to a database.
 *
 * Browsers close connections behind a page's back: then the transaction is tried once more on a new one. A database that
 * is gone is not made again, since whoever deleted it wanted its content gone: from then on `use` rejects with
 * `storage.closed`, also when somebody else has made another one of that name. Another tab is never kept from deleting or
 * upgrading: the connection closes when one asks for that.
 *
 * An open that another tab holds up gets no event, so `openTimeoutMs` decides: it rejects with `storage.blocked`.
 *
 * `lost` is called when it turns out while nobody uses it that the database is gone or of a newer layout; `isWanted` tells
 * whether somebody has asked for it to be deleted.
 */
export function createConnection(factory: IDBFactory, name: string, openTimeoutMs: number, lost: (isWanted: boolean) => void): Connection {
  let opening: Promise<Opened> | undefined;
  let birth: string | undefined;
  let isDeleted = false;
  let isClosed = false;
  let begun: Promise<unknown> = Promise.resolve();
  const running = new Set<Promise<unknown>>();

  const open = (): Promise<Opened> => {
    const watch = (database: IDBDatabase): void => {
      database.onclose = () => void (forget() && look());
      database.onversionchange = ({ newVersion }) => {
        database.close();
        if (!forget()) return;
        if (newVersion !== null) return look();
        isDeleted = true;
        lost(true);
      };
    };
    const mine = isDeleted ? Promise.reject<Opened>(storageClosed()) : openDatabase(factory, name, openTimeoutMs, birth, watch);
    /** Whether it was the one in use. */
    const forget = (): boolean => {
      if (opening !== mine) return false;
      opening = undefined;
      return true;
    };
    opening = mine;
    mine.then(
      (opened) => {
        birth = opened.birth;
      },
      (error: unknown) => {
        if (isCotableError(error, 'storage.closed')) isDeleted = true;
        forget();
      },
    );
    return mine;
  };
  const current = (): Promise<Opened> => opening ?? open();

  /** The browser has closed the connection: is the database still there? Who evicts or clears it tells no page. */
  function look(delayMs = 50): void {
    if (isClosed) return;
    current().catch((error: unknown) => {
      if (isDeleted || nameOf(error) === 'VersionError') lost(false);
      // A browser that is busy clearing says nothing of use. In the end whoever uses it next finds out.
      else if (delayMs < 10_000) setTimeout(() => look(delayMs * 4), delayMs);
    });
  }

  const begin = async <T>(mode: IDBTransactionMode, callback: StoreCallback<T>): Promise<Begun<T>> => {
    const first = transact((await current()).database, mode, callback) ?? transact((await open()).database, mode, callback);
    if (!first) throw keepsClosing();
    return first;
  };

  return {
    ready: async () => (await current()).birth,
    use(mode, callback) {
      if (isClosed) return Promise.reject(storageClosed());
      const begins = begun.then(() => begin(mode, callback));
      // The next transaction begins after this one began, however that went; who called hears of the failure.
      begun = begins.catch(() => undefined);
      const outcome = begins.then((transaction) => transaction.outcome);
      const done = (): boolean => running.delete(outcome);
      running.add(outcome);
      outcome.then(done, done);
      return outcome;
    },
    async close() {
      isClosed = true;
      await Promise.allSettled(running);
      // When it could not be opened there is nothing to close.
      await opening?.then(
        ({ database }) => database.close(),
        () => undefined,
      );
    },
  };
}

type StoreCallback<T> = (store: IDBObjectStore) => T | PromiseLike<T>;

/** A transaction that began. Its outcome is boxed, so that one can wait for the beginning alone. */
interface Begun<T> {
  readonly outcome: T | PromiseLike<T>;
}

/** Begins a transaction and fills it within this call; `undefined` when the browser has closed the connection. */
function transact<T>(database: IDBDatabase, mode: IDBTransactionMode, callback: StoreCallback<T>): Begun<T> | undefined {
  let transaction: IDBTransaction;
  try {
    transaction = database.transaction(STORE, mode, { durability: 'relaxed' });
  } catch (error) {
    if (error instanceof Error && error.name === 'InvalidStateError') return undefined;
    throw error;
  }
  try {
    return { outcome: callback(transaction.objectStore(STORE)) };
  } catch (error) {
    transaction.abort();
    throw error;
  }
}

/** An open database, and which one it is. */
interface Opened {
  readonly database: IDBDatabase;
  readonly birth: string;
}

/** Opens the database that was born so; `birth` left out: makes it if need be. `watch` gets it before anything is asked of it. */
function openDatabase(
  factory: IDBFactory,
  name: string,
  timeoutMs: number,
  birth: string | undefined,
  watch: (database: IDBDatabase) => void,
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, VERSION);
    let isMissing = false;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new CotableError('storage.blocked', {}));
    }, timeoutMs);
    request.onupgradeneeded = () => {
      if (birth === undefined) request.result.createObjectStore(STORE);
      else {
        isMissing = true;
        request.transaction?.abort();
      }
    };
    const identify = async (database: IDBDatabase): Promise<void> => {
      try {
        watch(database);
        const found = await birthOf(database, birth);
        // Nobody waits for it any more, or it is another one.
        if (isLate || found === undefined || found !== (birth ?? found)) throw storageClosed();
        resolve({ database, birth: found });
      } catch (error) {
        database.close();
        throw error;
      }
    };
    promisifyRequest(request)
      .then(identify)
      .catch((error: unknown) => reject(isMissing ? storageClosed() : error))
      .finally(() => clearTimeout(timer));
  });
}

/** The birth of a database; one that has none yet is given one, unless a certain one is `wanted`. */
async function birthOf(database: IDBDatabase, wanted: string | undefined): Promise<string | undefined> {
  const read = transact(database, 'readonly', (store) => promisifyRequest<string | undefined>(store.get(BIRTH)));
  if (!read) throw keepsClosing();
  const found = await read.outcome;
  if (found !== undefined || wanted !== undefined) return found;
  const written = transact(database, 'readwrite', async (store) => {
    // Another tab may have been first.
    const standing = await promisifyRequest<string | undefined>(store.get(BIRTH));
    const birth = standing ?? Math.random().toString(36).slice(2);
    store.put(birth, BIRTH);
    await committed(store.transaction);
    return birth;
  });
  if (!written) throw keepsClosing();
  return written.outcome;
}

/** `promisifyRequest` rejects when the first request fails, at which time the transaction does not know its error yet. */
export function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('The transaction was aborted'));
  });
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

function keepsClosing(): CotableError {
  return new CotableError('storage.unavailable', { reason: 'the browser keeps closing the database' });
}

function storageClosed(): CotableError {
  return new CotableError('storage.closed', {});
}
