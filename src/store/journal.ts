import { CotableError, asCotableError } from '../errors.ts';
import type { ClientDatabase, Durability, StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { ForeignMutation } from './replica.ts';
import { readStored, type Stored, type StoredRequests } from './stored.ts';

/** The device's record of one room. Writes take effect in the order of the calls; each is one storage transaction. */
export interface Journal {
  readonly durable: Durability;
  load(): Promise<Stored>;
  outbox(): Promise<readonly ForeignMutation[]>;
  requests(): Promise<StoredRequests>;
  write(batch: StorageBatch): Promise<void>;
  /** Writes what `change` makes of the values of these keys, in one transaction with reading them. */
  update(keys: readonly StorageKey[], change: Change): Promise<void>;
  close(): Promise<void>;
}

type Change = (values: readonly StorageValue[]) => StorageBatch;

interface Task {
  readonly batch: StorageBatch | undefined;
  /** Does it, when it cannot go to disk together with others. */
  readonly run: () => Promise<void>;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export function createJournal(database: ClientDatabase): Journal {
  const waiting: Task[] = [];
  let writing: Promise<void> | undefined;

  async function drain(): Promise<void> {
    for (let group = nextGroup(); group.length > 0; group = nextGroup()) {
      const [first] = group;
      try {
        // Batches that wait for the one under way go to disk together.
        await (first?.batch ? database.write(merge(group.flatMap(({ batch }) => batch ?? []))) : first?.run());
        for (const task of group) task.done();
      } catch (error) {
        const failure = asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }));
        for (const task of group) task.failed(failure);
      }
    }
    writing = undefined;
  }

  function nextGroup(): Task[] {
    const other = waiting.findIndex((task) => !task.batch);
    return waiting.splice(0, other < 0 ? waiting.length : Math.max(1, other));
  }

  function add(batch: StorageBatch | undefined, run: () => Promise<void>): Promise<void> {
    return new Promise((done, failed) => {
      waiting.push({ batch, run, done, failed });
      writing ??= drain();
    });
  }

  return {
    get durable() {
      return database.durable;
    },

    async load() {
      return readStored(await database.range([]));
    },

    async outbox() {
      return readStored(await database.range(['outbox'])).outbox;
    },

    async requests() {
      return readStored([...(await database.range(['call'])), ...(await database.range(['cancel']))]);
    },

    write: (batch) => add(batch, () => database.write(batch)),
    update: (keys, change) => add(undefined, () => database.update(keys, change)),

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
