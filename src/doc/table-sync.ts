import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import * as sync from 'y-protocols/sync';
import * as Y from 'yjs';
import { splitCellKey, type Cell, type CellChanges } from './cells.ts';
import { toCell } from './update.ts';

/** What came of one message of another replica. */
export interface Heard {
  /** To be sent back. */
  readonly answer: Uint8Array | undefined;
  /** The update that was applied. */
  readonly update: Uint8Array | undefined;
  /** Cell keys that it touched. */
  readonly touched: ReadonlySet<string>;
  /** Whether it stands on something that has not come yet: it takes effect when that does. */
  readonly isEarly: boolean;
  /** The highest clock of what it wrote, in rows that are gone too; 0 for none. */
  readonly clock: number;
  /** Later values that Yjs let lose against earlier ones: to be written again, since the later edit wins. */
  readonly repairs: CellChanges;
}

const NOTHING: Omit<Heard, 'answer'> = { update: undefined, touched: new Set(), isEarly: false, clock: 0, repairs: new Map() };

/** The question for what this document lacks (y-protocols/sync, step 1). */
export function askForMissing(doc: Y.Doc): Uint8Array {
  const encoder = encoding.createEncoder();
  sync.writeSyncStep1(encoder, doc);
  return encoding.toUint8Array(encoder);
}

/** An update as a message of y-protocols/sync. */
export function toSyncMessage(update: Uint8Array): Uint8Array {
  const encoder = encoding.createEncoder();
  sync.writeUpdate(encoder, update);
  return encoding.toUint8Array(encoder);
}

/**
 * Takes a message of y-protocols/sync from another replica of one table, which is trusted: the tabs of a device that has
 * no relay. Replicas that have heard the same hold the same document, and each writes the later of two values again where
 * Yjs kept the earlier one; they all write the same, and once.
 */
export function hearSync(doc: Y.Doc, table: string, message: Uint8Array): Heard {
  const decoder = decoding.createDecoder(message);
  if (decoding.readVarUint(decoder) === sync.messageYjsSyncStep1) {
    const encoder = encoding.createEncoder();
    sync.readSyncStep1(decoder, encoder, doc);
    return { ...NOTHING, answer: encoding.toUint8Array(encoder) };
  }
  const update = decoding.readVarUint8Array(decoder);
  const map = doc.getMap<unknown>(table);
  const before = new Map<string, unknown>();
  const listen = (event: Y.YMapEvent<unknown>): void => {
    for (const key of event.keysChanged) before.set(key, event.changes.keys.get(key)?.oldValue);
  };
  // What came early takes effect together with what it waits for.
  const early = doc.store.pendingStructs?.update;
  map.observe(listen);
  try {
    Y.applyUpdate(doc, update);
  } finally {
    map.unobserve(listen);
  }
  const structs = [...Y.decodeUpdate(update).structs, ...(early ? Y.decodeUpdateV2(early).structs : [])];
  const { cells, clock } = latestOf(doc, structs);
  for (const [key, old] of before) {
    const cell = old === undefined ? undefined : toCell(old, splitCellKey(key).field === undefined);
    if (cell && cell[0] > (cells.get(key)?.[0] ?? 0)) cells.set(key, cell);
  }
  const repairs = repairsOf(map, before.keys(), cells);
  const isEarly = doc.store.pendingStructs !== null || doc.store.pendingDs !== null;
  return { answer: undefined, update, touched: new Set(before.keys()), isEarly, clock, repairs };
}

/**
 * What to write again in a document that was made of these updates without hearing them one by one: where Yjs kept the
 * earlier of two values. With the highest clock of all that they hold.
 */
export function mendDoc(doc: Y.Doc, table: string, updates: readonly Uint8Array[]): Pick<Heard, 'repairs' | 'clock'> {
  const { cells, clock } = latestOf(
    doc,
    updates.flatMap((update) => Y.decodeUpdate(update).structs),
  );
  return { repairs: repairsOf(doc.getMap<unknown>(table), cells.keys(), cells), clock };
}

function repairsOf(map: Y.Map<unknown>, keys: Iterable<string>, latest: ReadonlyMap<string, Cell>): CellChanges {
  const repairs = new Map<string, Cell>();
  for (const key of keys) {
    const value = map.get(key);
    // Taken out is taken out: whoever did so had seen the row deleted, or made anew.
    if (value === undefined) continue;
    const standing = toCell(value, splitCellKey(key).field === undefined);
    const cell = latest.get(key);
    if (cell && cell[0] > standing[0]) repairs.set(key, cell);
  }
  return repairs;
}

/**
 * The latest cells that structs of an update write, by key, once they are applied. Unlike the update of one mutation a diff
 * of documents also holds what is deleted by now: that has no content any more.
 */
function latestOf(doc: Y.Doc, structs: readonly (Y.Item | Y.GC | Y.Skip)[]): { cells: Map<string, Cell>; clock: number } {
  const cells = new Map<string, Cell>();
  let clock = 0;
  for (const struct of structs) {
    if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentAny)) continue;
    if (struct.id.clock >= Y.getState(doc.store, struct.id.client)) continue;
    const item: unknown = Y.getItem(doc.store, struct.id);
    if (!(item instanceof Y.Item) || item.parentSub === null) continue;
    const cell = toCell(struct.content.arr[0], splitCellKey(item.parentSub).field === undefined);
    clock = Math.max(clock, cell[0]);
    const other = cells.get(item.parentSub);
    if (!other || cell[0] > other[0]) cells.set(item.parentSub, cell);
  }
  return { cells, clock };
}
