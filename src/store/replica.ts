import { equalityDeep } from 'lib0/function';
import { changesToEffect, type CellChanges, type Effect } from '../doc/cells.ts';
import { createTableDoc } from '../doc/table-doc.ts';
import { mutationId, type Ordered } from '../mutation/mutation-id.ts';
import type { MutatorResult } from '../mutation/run.ts';
import { CotableError } from '../errors.ts';
import { MAX_ITEMS } from '../doc/update.ts';
import { checkFrameSize } from '../protocol/measure.ts';
import type { MutationKey, RoomBirth, WriterState } from '../ports/relay-storage.ts';
import type { Intent, TableUpdate } from '../protocol/frames.ts';
import type { AckRecord, EntryRecord } from '../protocol/records.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { JsonValue } from '../util/json.ts';
import { createTableState, type TableState } from './table-state.ts';

/** What a mutation is before it has run, and in every replay. */
export interface OutboxCall {
  readonly key: MutationKey;
  readonly id: string;
  readonly name: string;
  readonly input: JsonValue;
  readonly userId: string;
  readonly at: number;
}

/** `place`: that of a mutation that runs again. */
type NewCall = OutboxCall & Partial<Ordered>;

/** A mutation of this device that the relay has not judged yet, as it ran last: what the tabs of a device know of it. */
export interface OutboxMutation extends OutboxCall, Ordered {
  readonly clock: number;
  readonly writer: number;
  /** The cells it writes, by table. */
  readonly effects: ReadonlyMap<string, Effect>;
}

/** One that another tab is to send: its cells are in the rows, and never in a document of this tab. */
export interface ForeignMutation extends OutboxMutation {
  /** The replica of the tab that sends it. */
  readonly owner: number;
}

/** One that this tab is to send. */
export interface PendingMutation extends OutboxMutation {
  readonly intents: readonly Intent[];
  /** The writer's count; 0 while the mutation could not run, see `parked`. */
  readonly number: number;
  readonly updates: readonly TableUpdate[];
  /** Mutations of other tabs that it read or wrote over: it may be sent when those are accepted. */
  readonly basis: ReadonlySet<string>;
  /** Why it has no effect for now: it threw in a replay and waits for what the relay says. */
  readonly parked: CotableError | undefined;
}

/** What the relay confirmed, as it lies on the device or came in a snapshot. */
export interface Confirmed extends RoomBirth {
  readonly seq: number;
  /** Documents as of some earlier `seq`, and all entries since. */
  readonly tables: readonly TableUpdate[];
  readonly entries: readonly EntryRecord[];
}

/** A writer, and the number of its last mutation that the relay has accepted. */
export type WriterStart = Pick<WriterState, 'writer' | 'last'>;

const NO_BASIS: ReadonlySet<string> = new Set();

export const NOTHING_CONFIRMED: Confirmed = { lineage: 0, epoch: 0, seq: 0, tables: [], entries: [] };

/** All of a room in memory: documents, rows, what is pending. Knows nothing of disks and links. */
export interface Replica {
  readonly writer: number;
  readonly birth: RoomBirth;
  readonly seq: number;
  /** No clock that is confirmed is above it, and the relay takes what is a little above it whatever time it has. */
  readonly confirmedClock: number;
  readonly tables: ReadonlyMap<string, TableState>;
  /** In the order they were made. */
  readonly pending: ReadonlyMap<string, PendingMutation>;
  /** What other tabs have pending. */
  readonly foreign: ReadonlyMap<string, ForeignMutation>;
  /** An accepted mutation that is pending here too, made by another writer, came in: the documents hold it twice. */
  readonly isDoubled: boolean;
  /** What another tab had pending came in otherwise than it was shown here, and something pending was built on it. */
  readonly isMisled: boolean;
  /**
   * The writer for other documents that hold as much as these: `undefined` while something was sent that is not confirmed, and
   * may be accepted as it is.
   */
  readonly writerStart: WriterStart | undefined;
  /** A pending mutation leaves the tab. */
  sends(id: string): void;
  /** Writes as another one from now on. Only while nothing is pending, and with all here that was ever written as it. */
  become(start: WriterStart): void;
  /**
   * Puts a mutation that has run into documents and rows, all tables together. Throws `mutation.tooLarge` for what a relay
   * would not take: then nothing has changed.
   */
  commit(call: NewCall, clock: number, result: MutatorResult): PendingMutation;
  /** Keeps a mutation that could not run. */
  park(call: OutboxCall & Ordered, clock: number, error: CotableError): PendingMutation;
  /** Whether something pending was built on it. */
  isBasis(id: string): boolean;
  /** Leaves a mutation out of the rebuild that must follow: documents and rows still hold it. */
  forget(id: string): void;
  /** Shows a mutation of another tab, in the place of what it was before. */
  show(mutation: ForeignMutation): void;
  /** Shows it no longer. */
  hide(id: string): void;
  /** Where there is no relay: the mutation is kept, and what the documents hold is the truth. */
  settleHere(id: string): void;
  /**
   * Applies accepted mutations, ascending. Those not above `seq` are skipped. Returns what was new, whole, to be kept.
   * Throws when one is missing in between, or acknowledges what is not pending.
   */
  confirm(records: readonly (EntryRecord | AckRecord)[]): readonly EntryRecord[];
  /** The documents; those of the confirmed state as long as nothing was pending since the replica was made. */
  encode(): readonly TableUpdate[];
}

export function createReplica(schema: AnySchema, start: WriterStart, confirmed: Confirmed): Replica {
  const tables = new Map<string, TableState>();
  for (const name of Object.keys(schema.tables)) {
    const doc = createTableDoc(name, start.writer);
    // Of no relay's room: what this device lost nobody else may have, and what it has is to be read all the same.
    const isOwn = confirmed.lineage === 0;
    doc.apply(
      confirmed.tables.filter((update) => update.table === name).map((update) => update.bytes),
      isOwn,
    );
    doc.apply(confirmed.entries.flatMap((entry) => updatesOf(entry, name)));
    tables.set(name, createTableState(doc));
  }
  const pending = new Map<string, PendingMutation>();
  const foreign = new Map<string, ForeignMutation>();
  /** What left the tab and is not confirmed. */
  const unanswered = new Set<string>();
  let { writer } = start;
  /** The number of the last mutation that was made, and of the last one that is confirmed. */
  let last = start.last;
  let lastConfirmed = start.last;
  let lastPlace = 0;
  let seq = confirmed.seq;
  let confirmedClock = Math.max(0, ...[...tables.values()].map((table) => table.highestClock));
  for (const { clock } of confirmed.entries) confirmedClock = Math.max(confirmedClock, clock);
  let isDoubled = false;
  let isMisled = false;

  function drop(id: string): void {
    const mutation = pending.get(id);
    for (const table of mutation?.effects.keys() ?? []) tables.get(table)?.dropPending(id);
    pending.delete(id);
    unanswered.delete(id);
  }

  function hide(id: string): void {
    for (const table of foreign.get(id)?.effects.keys() ?? []) tables.get(table)?.dropPending(id);
    foreign.delete(id);
  }

  function checkSize(name: string, changes: ReadonlyMap<string, CellChanges>, intents: readonly Intent[]): void {
    checkFrameSize(name, changes, intents);
    let size = 0;
    for (const [table, cells] of changes) size += tables.get(table)?.doc.countItems(cells) ?? 0;
    if (size > MAX_ITEMS) throw new CotableError('mutation.tooLarge', { name, size, unit: 'cells', limit: MAX_ITEMS });
  }

  function basisOf(result: MutatorResult): ReadonlySet<string> {
    if (foreign.size === 0) return NO_BASIS;
    const used = result.used();
    const isUnder = ({ effects }: ForeignMutation): boolean =>
      [...effects].some(([table, effect]) => used.has(table) && [...(used.get(table) ?? effect.keys())].some((row) => effect.has(row)));
    return new Set([...foreign.values()].filter(isUnder).map(({ id }) => id));
  }

  const isBasis = (id: string): boolean => [...pending.values()].some(({ basis }) => basis.has(id));

  function toEntry(record: EntryRecord | AckRecord): EntryRecord {
    if (record.kind === 'entry') return record;
    const mutation = pending.get(mutationId(record.key));
    if (!mutation) throw new Error(`mutation ${mutationId(record.key)} was acknowledged, but is not pending`);
    const { key, writer: by, number, clock, updates } = mutation;
    return { kind: 'entry', seq: record.seq, key, writer: by, number, clock, updates, repairs: record.repairs };
  }

  return {
    get writer() {
      return writer;
    },
    get writerStart() {
      return unanswered.size === 0 ? { writer, last: lastConfirmed } : undefined;
    },
    birth: { lineage: confirmed.lineage, epoch: confirmed.epoch },
    get seq() {
      return seq;
    },
    get confirmedClock() {
      return confirmedClock;
    },
    tables,
    pending,
    foreign,
    get isDoubled() {
      return isDoubled;
    },
    get isMisled() {
      return isMisled;
    },
    sends: (id) => void unanswered.add(id),
    isBasis,
    forget: (id) => void pending.delete(id),
    hide,

    show(mutation) {
      hide(mutation.id);
      lastPlace = Math.max(lastPlace, mutation.place);
      foreign.set(mutation.id, mutation);
      for (const [table, effect] of mutation.effects) tables.get(table)?.addPending(mutation, effect);
    },

    become(next) {
      writer = next.writer;
      last = lastConfirmed = next.last;
      for (const { doc } of tables.values()) doc.become(writer);
    },

    commit(call, clock, result) {
      const { intents } = result;
      const { place = lastPlace + 1 } = call;
      const changes = result.changes(clock);
      checkSize(call.name, changes, intents);
      const basis = basisOf(result);
      const effects = new Map<string, Effect>();
      const updates: TableUpdate[] = [];
      for (const [name, cells] of changes) {
        const table = tables.get(name);
        const bytes = table?.doc.write(cells);
        if (!table || !bytes) continue;
        const effect = changesToEffect(cells);
        table.addPending({ id: call.id, key: call.key, place }, effect);
        effects.set(name, effect);
        updates.push({ table: name, bytes });
      }
      last += 1;
      lastPlace = Math.max(lastPlace, place);
      const mutation = { ...call, place, clock, intents, writer, number: last, updates, effects, basis, parked: undefined };
      pending.set(call.id, mutation);
      return mutation;
    },

    park(call, clock, parked) {
      lastPlace = Math.max(lastPlace, call.place);
      const mutation = { ...call, clock, intents: [], writer, number: 0, updates: [], effects: new Map(), basis: NO_BASIS, parked };
      pending.set(call.id, mutation);
      return mutation;
    },

    settleHere(id) {
      for (const [table, effect] of pending.get(id)?.effects ?? []) {
        tables.get(table)?.dropPending(id);
        tables.get(table)?.take(effect.keys());
      }
      pending.delete(id);
    },

    confirm(records) {
      const fresh: EntryRecord[] = [];
      for (const record of records) {
        if (record.seq <= seq + fresh.length) continue;
        if (record.seq !== seq + fresh.length + 1) throw new Error(`entry ${record.seq} came after ${seq + fresh.length}`);
        fresh.push(toEntry(record));
      }
      for (const [name, table] of tables) {
        const updates = fresh.flatMap((entry) => updatesOf(entry, name));
        if (updates.length > 0) table.doc.apply(updates);
      }
      for (const entry of fresh) {
        confirmedClock = Math.max(confirmedClock, entry.clock);
        const id = mutationId(entry.key);
        const mine = pending.get(id);
        if (mine && mine.writer !== entry.writer) isDoubled = true;
        if (entry.writer === writer) lastConfirmed = entry.number;
        const effects = new Map<string, Effect>();
        for (const { table: name, bytes } of entry.updates) {
          const table = tables.get(name);
          if (!table) continue;
          const own = mine?.writer === entry.writer ? mine.effects.get(name) : undefined;
          const effect = own ?? table.doc.effectOf(bytes);
          effects.set(name, effect);
          table.confirm(effect);
        }
        const shown = foreign.get(id);
        // It ran again where it was pending, and this comes before its tab has said so.
        if (shown && !writesTheSame(shown, { clock: entry.clock, effects })) isMisled ||= isBasis(id);
        if (mine) drop(id);
        else hide(id);
      }
      seq += fresh.length;
      return fresh;
    },

    encode: () => [...tables].map(([table, state]) => ({ table, bytes: state.doc.encode() })),
  };
}

/** Whether who has read the one has read the other. */
export function writesTheSame(a: Writes, b: Writes): boolean {
  return a.clock === b.clock && equalityDeep(a.effects, b.effects);
}

type Writes = Pick<OutboxMutation, 'clock' | 'effects'>;

/** What an entry brings for a table. */
export function updatesOf(entry: EntryRecord, table: string): Uint8Array[] {
  return [...entry.updates, ...entry.repairs].filter((update) => update.table === table).map((update) => update.bytes);
}
