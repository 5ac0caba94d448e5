import { promisifyRequest } from 'idb-keyval';
import { asCotableError, CotableError } from '../src/errors.ts';
import type { ClientDatabase, ClientStorage, Durability, StorageBatch, StorageKey } from '../src/ports/client-storage.ts';
import { committed, createConnection, nameOf, type Connection } from './indexeddb-connection.ts';
import { createTrace } from './indexeddb-trace.ts';

export interface IndexedDbOptions {
  /** Databases are named `prefix/name`. Default: `cotable`. */
  readonly prefix?: string;
  /** How long another tab may keep the database from opening before that is `storage.blocked`. Default: 10 s. */
  readonly openTimeoutMs?: number;
  /**
   * Whether each open asks the browser to keep this site's data for good (`navigator.storage.persist()`). Some browsers
   * ask their user, some decide by themselves. Nothing waits for the answer. Default: `false`, nobody is asked.
   */
  readonly persist?: boolean;
}

/**
 * Client storage in the browser's IndexedDB. Writes are atomic and in order; they are handed to the disk without waiting
 * for it to have finished (`durability: 'relaxed'`), so that a power cut may lose the last of them, a killed tab none.
 *
 * `open` rejects with `storage.notDurable` where the browser has no IndexedDB or does not let this page use it, and with
 * `storage.blocked` when another tab holds the database up. Deleting a database (`indexedDB.deleteDatabase`) is never
 * blocked by this side: its opens then reject with `storage.closed` for good. No space left is `storage.quota`; all else
 * that goes wrong is `storage.unavailable` with the browser's own words as `reason`, and may be tried again.
 *
 * `durable` is `true` once the browser has said that it keeps the data of this site (`navigator.storage.persisted()`), and
 * `'unknown'` for as long as it has not: it may evict them then, and a private window forgets all when it closes. It turns
 * `false` when the database is gone while it is open.
 *
 * A trace of each database, its birth under its name in `localStorage`, tells an open that what was there is gone without
 * anybody having deleted it (`wasLost`). An app that deletes a database while no tab has it open takes that item away too.
 */
export function indexedDb(options: IndexedDbOptions = {}): ClientStorage {
  const { prefix = 'cotable', openTimeoutMs = 10_000, persist = false } = options;
  return {
    async open(shortName, watch) {
      const factory = globalIndexedDb();
      if (!factory) throw new CotableError('storage.notDurable', {});
      const name = `${prefix}/${shortName}`;
      const trace = createTrace(name);
      let durable: Durability = 'unknown';
      const know = (next: Durability): void => {
        if (durable === next || durable === false) return;
        durable = next;
        watch?.durability(next);
      };
      const connection = createConnection(factory, name, openTimeoutMs, (isWanted) => {
        if (isWanted) trace.forget();
        know(false);
      });
      const asked = isPersisted(persist);
      const birth = await connection.ready().catch((error: unknown) => {
        throw isForbidden(error) ? new CotableError('storage.notDurable', {}, { cause: error }) : storageError(error);
      });
      const wasLost = trace.leave(birth);
      // Never waited for: it may be a question to the user.
      void asked.then((isKept) => isKept && know(true));
      return databaseOver(connection, () => durable, wasLost);
    },
  };
}

/** Whether the browser has promised to keep what this site writes. */
async function isPersisted(ask: boolean): Promise<boolean> {
  try {
    // Not there in a page that was not served securely.
    const storage: StorageManager | undefined = navigator.storage;
    return (await (ask ? storage?.persist() : storage?.persisted())) ?? false;
  } catch {
    // A page without an origin of its own, such as a sandboxed frame, has nothing that could be kept: nothing is promised.
    return false;
  }
}

function databaseOver(connection: Connection, durable: () => Durability, wasLost: boolean): ClientDatabase {
  return {
    get durable() {
      return durable();
    },
    wasLost,
    async range(prefix) {
      try {
        const range = rangeOf(prefix);
        const [keys, values] = await connection.use('readonly', (store) =>
          Promise.all([promisifyRequest(store.getAllKeys(range)), promisifyRequest<unknown[]>(store.getAll(range))]),
        );
        return keys.map((key, index) => [key as StorageKey, values[index]] as const);
      } catch (error) {
        throw storageError(error);
      }
    },
    async write(batch) {
      try {
        // Copied here and not by `put`: that runs after this call when the database has to be opened first.
        const copy = copyOf(batch);
        await connection.use('readwrite', (store) => {
          apply(store, copy);
          return committed(store.transaction);
        });
      } catch (error) {
        throw storageError(error);
      }
    },
    async update(keys, change) {
      // Copied here: this may run later, when the database has to be opened first.
      const wanted = keys.map((key) => [...key]);
      try {
        await connection.use('readwrite', (store) => {
          const { transaction } = store;
          const values = wanted.map((key) => promisifyRequest<unknown>(store.get(key)));
          // Goes on within the same transaction, which lives until the last of its requests was answered.
          const changed = Promise.all(values).then((found) => {
            try {
              apply(store, copyOf(change(found)));
            } catch (error) {
              transaction.abort();
              throw error;
            }
          });
          const done = committed(transaction);
          return changed.then(
            () => done,
            (error: unknown) =>
              done.then(
                () => Promise.reject(error),
                () => Promise.reject(error),
              ),
          );
        });
      } catch (error) {
        throw storageError(error);
      }
    },
    close: () => connection.close(),
  };
}

interface Changes {
  readonly puts: readonly { readonly key: IDBValidKey; readonly value: unknown }[];
  readonly deletes: readonly IDBValidKey[];
  readonly ranges: readonly IDBKeyRange[];
}

function copyOf({ put = [], delete: deleted = [], deletePrefix = [] }: StorageBatch): Changes {
  return {
    puts: put.map(([key, value]) => ({ key: [...key], value: structuredClone(value) })),
    deletes: deleted.map((key) => [...key]),
    ranges: deletePrefix.map(rangeOf),
  };
}

function apply(store: IDBObjectStore, { puts, deletes, ranges }: Changes): void {
  for (const key of deletes) store.delete(key);
  for (const range of ranges) store.delete(range);
  for (const { key, value } of puts) store.put(value, key);
}

/** All keys that begin with `prefix`: an array comes after all strings and numbers, so `[]` is past every next part. */
function rangeOf(prefix: StorageKey): IDBKeyRange {
  return IDBKeyRange.bound([...prefix], [...prefix, []]);
}

function storageError(error: unknown): CotableError {
  if (nameOf(error) === 'QuotaExceededError') return new CotableError('storage.quota', {}, { cause: error });
  return asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }));
}

/** Blocked cookies, sandboxed frames and some private modes say so only when a database is opened. */
function isForbidden(error: unknown): boolean {
  return ['SecurityError', 'InvalidStateError'].includes(nameOf(error));
}

function globalIndexedDb(): IDBFactory | undefined {
  try {
    return globalThis.indexedDB;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}
