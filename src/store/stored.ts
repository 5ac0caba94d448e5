import { CotableError } from '../errors.ts';
import type { StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { MutationKey, Refusal, RoomBirth } from '../ports/relay-storage.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import { decodeRecord, encodeRecord, type EntryRecord } from '../protocol/records.ts';
import { byOrder } from '../mutation/mutation-id.ts';
import type { Confirmed, ForeignMutation, OutboxCall, OutboxMutation } from './replica.ts';

/**
 * What a device keeps of a room, by key. Several tabs may write here at once, so no record says what another one does,
 * and none is written from an older copy of itself.
 *
 *     ['device']                          who this device is, and how its clock runs
 *     ['base']                            which room the documents are of, and up to which `seq`
 *     ['doc', table]                      the documents
 *     ['log', lineage, epoch, seq]        each entry since
 *     ['outbox', replica, counter]        a mutation that is not confirmed, with the tab that is to send it
 *     ['fence', writer]                   a writer that may still carry one: the relay must fence it before it is sent again
 *     ['rejected', replica, counter]      a mutation that never will be confirmed
 *
 * Where no relay is configured there is no log and no outbox, but
 *
 *     ['update', replica, counter]        updates of the documents, that of one mutation or many together
 */
export interface StoredDevice {
  readonly format: 1;
  readonly schemaVersion: number;
  /** Stands for the user while the app names none. */
  readonly deviceId: string;
  /** What the relay's clock was ahead of this device's, in milliseconds. */
  readonly clockOffset: number;
}

export interface StoredBase extends RoomBirth {
  readonly seq: number;
}

export interface StoredRejection extends OutboxCall {
  readonly error: Refusal;
}

export interface Stored {
  readonly device: StoredDevice | undefined;
  readonly confirmed: Confirmed;
  /** In the one order of all mutations of this device. */
  readonly outbox: readonly ForeignMutation[];
  readonly fence: readonly number[];
  readonly rejected: readonly StoredRejection[];
  /** Records of updates. What they hold is among what is confirmed. */
  readonly updates: readonly StorageKey[];
  /** What was there and could not be read. */
  readonly damage: CotableError<'storage.corrupt'> | undefined;
}

export const keys = {
  device: ['device'],
  base: ['base'],
  doc: (table: string): StorageKey => ['doc', table],
  log: ({ lineage, epoch }: RoomBirth, seq: number): StorageKey => ['log', lineage, epoch, seq],
  outbox: (key: MutationKey): StorageKey => ['outbox', key.replica, key.counter],
  fence: (writer: number): StorageKey => ['fence', writer],
  rejected: (key: MutationKey): StorageKey => ['rejected', key.replica, key.counter],
  update: (key: MutationKey): StorageKey => ['update', key.replica, key.counter],
} as const;

export function readStored(pairs: readonly (readonly [StorageKey, StorageValue])[]): Stored {
  let device: StoredDevice | undefined;
  let base: StoredBase = { lineage: 0, epoch: 0, seq: 0 };
  const tables: TableUpdate[] = [];
  const log = new Map<string, Uint8Array>();
  const outbox: ForeignMutation[] = [];
  const fence: number[] = [];
  const rejected: StoredRejection[] = [];
  const updates: StorageKey[] = [];
  let damage: CotableError<'storage.corrupt'> | undefined;
  // Values are what this module wrote, as long as nothing has damaged them.
  for (const [key, value] of pairs) {
    const [kind, name] = key;
    if (kind === 'device') device = value as StoredDevice;
    else if (kind === 'base') base = value as StoredBase;
    else if (kind === 'doc') tables.push({ table: String(name), bytes: value as Uint8Array });
    else if (kind === 'log') log.set(JSON.stringify(key), value as Uint8Array);
    else if (kind === 'outbox') {
      if (isMutation(value)) outbox.push(value);
      else damage = new CotableError('storage.corrupt', { record: `a pending mutation, ${key.slice(1).join('-')}` });
    } else if (kind === 'fence') fence.push(Number(name));
    else if (kind === 'rejected') rejected.push(value as StoredRejection);
    else if (kind === 'update') {
      if (!Array.isArray(value)) throw new CotableError('storage.corrupt', { record: `updates ${key.slice(1).join('-')}` });
      updates.push(key);
      tables.push(...(value as readonly TableUpdate[]));
    }
  }
  outbox.sort(byOrder);
  // What lies behind a gap, or is of another birth, came from a tab that was elsewhere: the relay has it.
  const entries: EntryRecord[] = [];
  for (let seq = base.seq + 1; ; seq++) {
    const bytes = log.get(JSON.stringify(keys.log(base, seq)));
    if (!bytes) break;
    try {
      entries.push(readEntry(bytes));
    } catch (error) {
      // What comes from here on the relay has too.
      damage = new CotableError('storage.corrupt', { record: `entry ${seq} of the log` }, { cause: error });
      break;
    }
  }
  return { device, confirmed: { ...base, seq: base.seq + entries.length, tables, entries }, outbox, fence, rejected, updates, damage };
}

function readEntry(bytes: Uint8Array): EntryRecord {
  const record = decodeRecord(bytes);
  if (record.kind !== 'entry') throw new TypeError('it is no entry');
  return record;
}

function isMutation(value: unknown): value is ForeignMutation {
  if (typeof value !== 'object' || value === null) return false;
  const { key, id, name, place, clock, effects } = value as Partial<ForeignMutation>;
  return (
    typeof key?.replica === 'number' &&
    typeof id === 'string' &&
    typeof name === 'string' &&
    clock !== undefined &&
    place !== undefined &&
    effects instanceof Map
  );
}

/** How accepted mutations and the end of their outbox records become one transaction. */
export function confirmBatch(birth: RoomBirth, entries: readonly EntryRecord[]): StorageBatch {
  return {
    put: entries.map((entry): [StorageKey, StorageValue] => [keys.log(birth, entry.seq), encodeRecord(entry)]),
    delete: entries.map((entry) => keys.outbox(entry.key)),
  };
}

/**
 * A snapshot in the place of all that was confirmed. Entries of the same birth stay, because another tab may be ahead;
 * not when this one was ahead of the relay, for then they are of a history that the relay has forgotten.
 */
export function installBatch(former: StoredBase, confirmed: Confirmed): StorageBatch {
  const { lineage, epoch, seq, tables, entries } = confirmed;
  const base: StoredBase = { lineage, epoch, seq: seq - entries.length };
  const staysTrue = former.lineage === lineage && former.epoch === epoch && former.seq <= seq;
  return {
    deletePrefix: staysTrue ? [['doc']] : [['doc'], ['log', former.lineage, former.epoch]],
    put: [[keys.base, base], ...tables.map(docPut), ...(confirmBatch(base, entries).put ?? [])],
  };
}

/** The log folded into the documents. */
export function foldBatch(confirmed: Confirmed, tables: readonly TableUpdate[]): StorageBatch {
  const { lineage, epoch, seq, entries } = confirmed;
  const base: StoredBase = { lineage, epoch, seq };
  return { put: [[keys.base, base], ...tables.map(docPut)], delete: entries.map((entry) => keys.log(base, entry.seq)) };
}

function docPut({ table, bytes }: TableUpdate): [StorageKey, StorageValue] {
  return [keys.doc(table), bytes];
}

/** What other tabs are told of a mutation, and what is on disk of it. */
export function toForeign(mutation: OutboxMutation, owner: number): ForeignMutation {
  const { key, id, place, name, input, userId, at, clock, writer, effects } = mutation;
  return { key, id, place, name, input, userId, at, clock, writer, effects, owner };
}

export function outboxPut(mutation: ForeignMutation): [StorageKey, StorageValue] {
  return [keys.outbox(mutation.key), mutation];
}

/** The record of a rejection. */
export function rejectedPut({ key, id, name, input, userId, at }: OutboxCall, error: CotableError): [StorageKey, StorageValue] {
  const record: StoredRejection = { key, id, name, input, userId, at, error: refusalOf(error) };
  return [keys.rejected(key), record];
}

export function refusalOf({ code, params }: CotableError): Refusal {
  return { code, params };
}
