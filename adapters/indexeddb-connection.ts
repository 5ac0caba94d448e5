import { promisifyRequest, type UseStore } from 'idb-keyval';
import { CotableError, isCotableError } from '../src/errors.ts';

const STORE = 'records';
/** Of the layout: one object store without a key path. */
const VERSION = 1;

/** One database that may lose its connection and find it again. */
export interface Connection {
  /** Resolves when the database is open. */
  ready(): Promise<void>;
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
 * was deleted is not made again, since whoever deleted it wanted its content gone: from then on `use` rejects with
 * `storage.closed`. Another tab is never kept from deleting or upgrading: the connection closes when one asks for that.
 *
 * An open that another tab holds up gets no event, so `openTimeoutMs` decides: it rejects with `storage.blocked`.
 */
export function createConnection(factory: IDBFactory, name: string, openTimeoutMs: number): Connection {
  let opening: Promise<IDBDatabase> | undefined;
  let wasOpen = false;
  let isDeleted = false;
  let isClosed = false;
  let begun: Promise<unknown> = Promise.resolve();
  const running = new Set<Promise<unknown>>();

  const open = (): Promise<IDBDatabase> => {
    const mine = isDeleted ? Promise.reject<IDBDatabase>(storageClosed()) : openDatabase(factory, name, openTimeoutMs, !wasOpen);
    const forget = (): void => {
      if (opening === mine) opening = undefined;
    };
    opening = mine;
    mine.then(
      (database) => {
        wasOpen = true;
        database.onclose = forget;
        database.onversionchange = ({ newVersion }) => {
          if (newVersion === null) isDeleted = true;
          forget();
          database.close();
        };
      },
      (error: unknown) => {
        if (isCotableError(error, 'storage.closed')) isDeleted = true;
        forget();
      },
    );
    return mine;
  };
  const current = (): Promise<IDBDatabase> => opening ?? open();

  const begin = async <T>(mode: IDBTransactionMode, callback: StoreCallback<T>): Promise<Begun<T>> => {
    const first = transact(await current(), mode, callback) ?? transact(await open(), mode, callback);
    if (!first) throw new CotableError('storage.unavailable', { reason: 'the browser keeps closing the database' });
    return first;
  };

  return {
    async ready() {
      await current();
    },
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
        (database) => database.close(),
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

function openDatabase(factory: IDBFactory, name: string, timeoutMs: number, mayCreate: boolean): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, VERSION);
    let isMissing = false;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new CotableError('storage.blocked', {}));
    }, timeoutMs);
    request.onupgradeneeded = () => {
      if (mayCreate) request.result.createObjectStore(STORE);
      else {
        isMissing = true;
        request.transaction?.abort();
      }
    };
    promisifyRequest(request).then(
      (database) => {
        clearTimeout(timer);
        if (isLate) database.close();
        else resolve(database);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(isMissing ? storageClosed() : error);
      },
    );
  });
}

function storageClosed(): CotableError {
  return new CotableError('storage.closed', {});
}
