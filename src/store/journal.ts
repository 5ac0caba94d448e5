import { CotableError, asCotableError } from '../errors.ts';
import type { ClientDatabase, StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { ForeignMutation } from './replica.ts';
import { keys, readStored, type Stored, type StoredDevice } from './stored.ts';

/** The device's record of one room. Writes take effect in the order of the calls; each is one storage transaction. */
export interface Journal {
  readonly durable: boolean;
  load(): Promise<Stored>;
  outbox(): Promise<readonly ForeignMutation[]>;
  write(batch: StorageBatch): Promise<void>;
  /** Who this device is; `newcomer` where nobody has said so before. */
  introduce(newcomer: StoredDevice): Promise<StoredDevice>;
  close(): Promise<void>;
}

export function createJournal(database: ClientDatabase): Journal {
  /** Batches that wait for the one under way: they go to disk together. */
  let waiting: { readonly batch: StorageBatch; readonly done: () => void; readonly failed: (error: unknown) => void }[] = [];
  let writing: Promise<void> | undefined;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        await database.write(merge(group.map((item) => item.batch)));
        for (const item of group) item.done();
      } catch (error) {
        const failure = asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }));
        for (const item of group) item.failed(failure);
      }
    }
    writing = undefined;
  }

  return {
    durable: database.durable,

    async load() {
      return readStored(await database.range([]));
    },

    async outbox() {
      return readStored(await database.range(['outbox'])).outbox;
    },

    async introduce(newcomer) {
      return (await database.claim(keys.device, newcomer)) as StoredDevice;
    },

    write(batch) {
      return new Promise((done, failed) => {
        waiting.push({ batch, done, failed });
        writing ??= drain();
      });
    },

    async close() {
      await writing;
      await database.close();
    },
  };
}

/** One batch that does what several do one after the other. */
function merge(batches: readonly StorageBatch[]): StorageBatch {
  const put = new Map<string, readonly [StorageKey, StorageValue]>();
  const deleted = new Map<string, StorageKey>();
  const prefixes: StorageKey[] = [];
  for (const batch of batches) {
    for (const prefix of batch.deletePrefix ?? []) {
      prefixes.push(prefix);
      for (const [name, [key]] of put) if (prefix.every((part, index) => key[index] === part)) put.delete(name);
    }
    for (const key of batch.delete ?? []) {
      const name = JSON.stringify(key);
      put.delete(name);
      deleted.set(name, key);
    }
    for (const [key, value] of batch.put ?? []) put.set(JSON.stringify(key), [key, value]);
  }
  return { put: [...put.values()], delete: [...deleted.values()], deletePrefix: prefixes };
}
