import { CotableError } from '../errors.ts';
import type { StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { Refusal } from '../ports/refusal.ts';
import type { MutationKey, RoomBirth } from '../ports/relay-storage.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import { decodeRecord, decodeTables, encodeRecord, encodeTables, type EntryRecord } from '../protocol/records.ts';
import { byOrder } from '../mutation/mutation-id.ts';
import { checksumOf } from '../util/checksum.ts';
import type { JsonObject } from '../util/json.ts';
import type { StoredCall } from './calls.ts';
import { NOTHING_CONFIRMED, type Confirmed, type ForeignMutation, type OutboxCall, type OutboxMutation } from './replica.ts';
import { seal, unseal } from './sealed.ts';

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
 *     ['call', replica, counter]          a run that was asked for, and that the relay is not known to have
 *     ['cancel', run]                     a run that is wanted no more, and not known to have ended
 *
 * Where no relay is configured there is no log and no outbox, but
 *
 *     ['update', replica, counter]        updates of the documents, that of one mutation or many together
 *
 * Every record is checked against a checksum when it is read: entries and updates hold their own, so do objects (`seal`),
 * and the base holds those of the documents.
 */
export interface StoredDevice {
  readonly format: 1;
  readonly schemaVersion: number;
  /** Stands for the user while the app names none, and no relay has said who it is. */
  readonly deviceId: string;
  /** Whom the relay last took this device for, if not for itself. */
  readonly userId?: string;
  /** Whether the relay last said that this device may only read. */
  readonly isReader?: boolean;
  /** What the relay last said of that user, where the schema declares it. */
  readonly session?: JsonObject;
  /** What the relay's clock was ahead of this device's, in milliseconds. */
  readonly clockOffset: number;
}

/** A moment in the history of a room. */
export interface RoomPlace extends RoomBirth {
  readonly seq: number;
}

interface StoredBase extends RoomPlace {
  /** The documents that belong to it, each with its checksum. */
  readonly docs: readonly (readonly [table: string, sum: number])[];
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
  readonly calls: readonly StoredCall[];
  /** Runs to be canceled. */
  readonly cancels: readonly string[];
  /** Entries that the documents hold already: of a tab that was behind when another one folded. */
  readonly leftovers: readonly StorageKey[];
  /** Records of updates. What they hold is among what is confirmed. */
  readonly updates: readonly StorageKey[];
  /** Whether the documents were there and could not be read: then nothing is confirmed here. */
  readonly isForgotten: boolean;
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

/** What was asked of the relay about runs, and is not known to have been heard there. */
export type StoredRequests = Pick<Stored, 'calls' | 'cancels'>;

export function readStored(pairs: readonly (readonly [StorageKey, StorageValue])[]): Stored {
  let device: StoredDevice | undefined;
  let base: StoredBase | undefined;
  let hasBase = false;
  const docs = new Map<string, StorageValue>();
  const log = new Map<string, StorageValue>();
  const outbox: ForeignMutation[] = [];
  const fence: number[] = [];
  const rejected: StoredRejection[] = [];
  const calls: StoredCall[] = [];
  const cancels: string[] = [];
  const updates: StorageKey[] = [];
  const tables: TableUpdate[] = [];
  let damage: CotableError<'storage.corrupt'> | undefined;
  const read = <T extends object>(value: StorageValue, record: string): T | undefined => {
    const found = unseal<T>(value);
    if (!found) damage = new CotableError('storage.corrupt', { record });
    return found;
  };
  for (const [key, value] of pairs) {
    const [kind, name] = key;
    const id = key.slice(1).join('-');
    if (kind === 'device') device = read(value, 'the device');
    else if (kind === 'base') {
      hasBase = true;
      base = read(value, 'the documents');
    } else if (kind === 'doc') docs.set(String(name), value);
    else if (kind === 'log') log.set(JSON.stringify(key), value);
    else if (kind === 'outbox') outbox.push(...listOf(read<ForeignMutation>(value, `a pending mutation, ${id}`)));
    else if (kind === 'fence') fence.push(Number(name));
    else if (kind === 'rejected') rejected.push(...listOf(read<StoredRejection>(value, `a rejection, ${id}`)));
    else if (kind === 'call') calls.push(...listOf(read<StoredCall>(value, `a request, ${id}`)));
    else if (kind === 'cancel') cancels.push(String(name));
    else if (kind === 'update') {
      updates.push(key);
      tables.push(...readUpdates(value, id));
    }
  }
  // It is the first that is written.
  if (!device && pairs.length > 0) damage ??= new CotableError('storage.corrupt', { record: 'the device' });
  outbox.sort(byOrder);
  const found = base && readDocs(base, docs);
  if (!found) {
    // Documents that belong to no base, or not to this one.
    if (hasBase || docs.size > 0) damage = new CotableError('storage.corrupt', { record: 'the documents' });
    const isForgotten = hasBase || docs.size > 0;
    return {
      device,
      confirmed: { ...NOTHING_CONFIRMED, tables },
      outbox,
      fence,
      rejected,
      calls,
      cancels,
      leftovers: [],
      updates,
      isForgotten,
      damage,
    };
  }
  const { lineage, epoch, seq: first } = found.base;
  // What lies behind a gap, or is of another birth, came from a tab that was elsewhere: the relay has it.
  const entries: EntryRecord[] = [];
  for (let seq = first + 1; ; seq++) {
    const name = JSON.stringify(keys.log(found.base, seq));
    if (!log.has(name)) break;
    try {
      entries.push(readEntry(log.get(name), seq));
    } catch (error) {
      // What comes from here on the relay has too.
      damage = new CotableError('storage.corrupt', { record: `entry ${seq} of the log` }, { cause: error });
      break;
    }
  }
  const confirmed = { lineage, epoch, seq: first + entries.length, tables: [...found.tables, ...tables], entries };
  const leftovers = [...log.keys()].map((name) => JSON.parse(name) as StorageKey).filter((key) => isFolded(key, found.base));
  return { device, confirmed, outbox, fence, rejected, calls, cancels, leftovers, updates, isForgotten: false, damage };
}

function isFolded([, lineage, epoch, seq]: StorageKey, base: RoomPlace): boolean {
  return lineage === base.lineage && epoch === base.epoch && Number(seq) <= base.seq;
}

/** A base with its documents; `undefined` when those are not what it was written with. */
function readDocs(
  base: StoredBase,
  docs: ReadonlyMap<string, StorageValue>,
): { readonly base: StoredBase; readonly tables: readonly TableUpdate[] } | undefined {
  const tables: TableUpdate[] = [];
  for (const [table, sum] of base.docs) {
    const bytes = docs.get(table);
    if (!(bytes instanceof Uint8Array) || checksumOf(bytes) !== sum) return undefined;
    tables.push({ table, bytes });
  }
  return { base, tables };
}

function readUpdates(value: StorageValue, id: string): readonly TableUpdate[] {
  try {
    return decodeTables(value as Uint8Array);
  } catch (error) {
    throw new CotableError('storage.corrupt', { record: `updates ${id}` }, { cause: error });
  }
}

/** The moment that the documents are of, as their record says; `undefined` when there is none that can be read. */
export function readBase(value: StorageValue): RoomPlace | undefined {
  return unseal<StoredBase>(value);
}

/** The device as its record says; `undefined` when there is none that can be read. */
export function readDevice(value: StorageValue): StoredDevice | undefined {
  return unseal(value);
}

function listOf<T>(item: T | undefined): T[] {
  return item === undefined ? [] : [item];
}

function readEntry(value: StorageValue, seq: number): EntryRecord {
  const record = decodeRecord(value as Uint8Array);
  if (record.kind !== 'entry' || record.seq !== seq) throw new TypeError('it is not that entry');
  return record;
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
 * not when this one was ahead of the relay, for then they are of a history that the relay has forgotten. With it end the
 * outbox records of those that are among it, `settled`.
 */
export function installBatch(former: RoomPlace, confirmed: Confirmed, settled: readonly { readonly key: MutationKey }[]): StorageBatch {
  const { lineage, epoch, seq, tables, entries } = confirmed;
  const base = { lineage, epoch, seq: seq - entries.length };
  const staysTrue = former.lineage === lineage && former.epoch === epoch && former.seq <= seq;
  return {
    deletePrefix: staysTrue ? [['doc']] : [['doc'], ['log', former.lineage, former.epoch]],
    delete: settled.map(({ key }) => keys.outbox(key)),
    put: [...basePuts(base, tables), ...(confirmBatch(base, entries).put ?? [])],
  };
}

/** Documents of a later place in the place of those that are `standing`, and what lies between them out of the log. */
export function foldBatch(standing: RoomPlace, { lineage, epoch, seq }: RoomPlace, tables: readonly TableUpdate[]): StorageBatch {
  const base = { lineage, epoch, seq };
  const folded = Array.from({ length: seq - standing.seq }, (_, index) => keys.log(base, standing.seq + 1 + index));
  return { deletePrefix: [['doc']], put: basePuts(base, tables), delete: folded };
}

function basePuts(base: RoomPlace, tables: readonly TableUpdate[]): [StorageKey, StorageValue][] {
  const docs = tables.map(({ table, bytes }): [string, number] => [table, checksumOf(bytes)]);
  const record: StoredBase = { ...base, docs };
  return [[keys.base, seal(record)], ...tables.map(({ table, bytes }): [StorageKey, StorageValue] => [keys.doc(table), bytes])];
}

export function devicePut(device: StoredDevice): [StorageKey, StorageValue] {
  return [keys.device, seal(device)];
}

export function updatePut(key: MutationKey, updates: readonly TableUpdate[]): [StorageKey, StorageValue] {
  return [keys.update(key), encodeTables(updates)];
}

/** What other tabs are told of a mutation, and what is on disk of it. */
export function toForeign(mutation: OutboxMutation, owner: number): ForeignMutation {
  const { key, id, place, name, input, userId, at, clock, writer, effects } = mutation;
  return { key, id, place, name, input, userId, at, clock, writer, effects, owner };
}

export function outboxPut(mutation: ForeignMutation): [StorageKey, StorageValue] {
  return [keys.outbox(mutation.key), seal(mutation)];
}

/** The record of a rejection. */
export function rejectedPut({ key, id, name, input, userId, at }: OutboxCall, error: CotableError): [StorageKey, StorageValue] {
  const record: StoredRejection = { key, id, name, input, userId, at, error: refusalOf(error) };
  return [keys.rejected(key), seal(record)];
}

export function refusalOf({ code, params }: CotableError): Refusal {
  return { code, params };
}
