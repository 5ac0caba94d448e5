import { CotableError, asCotableError } from '../errors.ts';
import type { ClientDatabase, StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { MutationKey, Refusal, RoomBirth } from '../ports/relay-storage.ts';
import type { Intent, TableUpdate } from '../protocol/frames.ts';
import { decodeRecord, encodeRecord, type EntryRecord } from '../protocol/records.ts';
import type { Confirmed, OutboxCall, PendingMutation } from './replica.ts';

/**
 * What a device keeps of a room, by key:
 *
 *     ['meta']                            which room this is a copy of, and which device
 *     ['doc', table]                      the documents as of `meta.docSeq`
 *     ['log', seq]                        each entry since, without a gap
 *     ['outbox', replica, counter]        a mutation that is not confirmed
 *     ['rejected', replica, counter]      one that never will be
 */
export interface StoredMeta extends RoomBirth {
  readonly format: 1;
  readonly schemaVersion: number;
  /** `seq` of the last entry that went into the documents. */
  readonly docSeq: number;
  /** Stands for the user while the app names none. */
  readonly deviceId: string;
  /** Writers that may still carry what is in the outbox: the relay must fence them before anything of it is sent again. */
  readonly fence: readonly number[];
  /** What the relay's clock was ahead of this device's, in milliseconds. */
  readonly clockOffset: number;
}

export interface StoredMutation extends OutboxCall {
  readonly clock: number;
  readonly intents: readonly Intent[];
  readonly writer: number;
  readonly updates: readonly TableUpdate[];
}

export interface StoredRejection extends OutboxCall {
  readonly error: Refusal;
}

export interface Stored {
  readonly meta: StoredMeta | undefined;
  readonly confirmed: Confirmed;
  /** In the order they were made: by clock, then id. */
  readonly outbox: readonly StoredMutation[];
  readonly rejected: readonly StoredRejection[];
}

/** The device's record of one room. Writes take effect in the order of the calls; each is one storage transaction. */
export interface Journal {
  readonly durable: boolean;
  load(): Promise<Stored>;
  write(batch: StorageBatch): Promise<void>;
  close(): Promise<void>;
}

export const META: StorageKey = ['meta'];
export const keys = {
  doc: (table: string): StorageKey => ['doc', table],
  log: (seq: number): StorageKey => ['log', seq],
  outbox: (key: MutationKey): StorageKey => ['outbox', key.replica, key.counter],
  rejected: (key: MutationKey): StorageKey => ['rejected', key.replica, key.counter],
};

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

function readStored(pairs: readonly (readonly [StorageKey, StorageValue])[]): Stored {
  let meta: StoredMeta | undefined;
  const tables: TableUpdate[] = [];
  const entries: EntryRecord[] = [];
  const outbox: StoredMutation[] = [];
  const rejected: StoredRejection[] = [];
  // Values are what this module wrote; a damaged record shows itself when it is decoded.
  for (const [[kind, name], value] of pairs) {
    if (kind === 'meta') meta = value as StoredMeta;
    else if (kind === 'doc') tables.push({ table: String(name), bytes: value as Uint8Array });
    else if (kind === 'log') entries.push(readEntry(value as Uint8Array));
    else if (kind === 'outbox') outbox.push(value as StoredMutation);
    else if (kind === 'rejected') rejected.push(value as StoredRejection);
  }
  outbox.sort((a, b) => a.clock - b.clock || (a.id < b.id ? -1 : 1));
  const { lineage = 0, epoch = 0, docSeq = 0 } = meta ?? {};
  const since = entries.filter((entry) => entry.seq > docSeq);
  since.forEach((entry, index) => {
    if (entry.seq !== docSeq + 1 + index) throw new CotableError('storage.corrupt', { record: `log ${docSeq + 1 + index}` });
  });
  return { meta, confirmed: { lineage, epoch, seq: docSeq + since.length, tables, entries: since }, outbox, rejected };
}

function readEntry(bytes: Uint8Array): EntryRecord {
  let problem: unknown;
  try {
    const record = decodeRecord(bytes);
    if (record.kind === 'entry') return record;
  } catch (error) {
    problem = error;
  }
  throw new CotableError('storage.corrupt', { record: 'an entry of the log' }, { cause: problem });
}

/** How an accepted mutation and the end of its outbox record become one transaction. */
export function confirmBatch(entries: readonly EntryRecord[]): StorageBatch {
  return {
    put: entries.map((entry): [StorageKey, StorageValue] => [keys.log(entry.seq), encodeRecord(entry)]),
    delete: entries.map((entry) => keys.outbox(entry.key)),
  };
}

export function storedMutation(mutation: PendingMutation): StoredMutation {
  const { key, id, name, input, userId, at, clock, intents, writer, updates } = mutation;
  return { key, id, name, input, userId, at, clock, intents, writer, updates };
}
