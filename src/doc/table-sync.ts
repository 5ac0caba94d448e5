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
  /** Later values that Yjs let lose against earlier ones: to be written again, since the later edit wins. */
  readonly repairs: CellChanges;
}

const NOTHING: Omit<Heard, 'answer'> = { update: undefined, touched: new Set(), repairs: new Map() };

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
  map.observe(listen);
  try {
    Y.applyUpdate(doc, update);
  } finally {
    map.unobserve(listen);
  }
  const written = cellsOfDiff(doc, update);
  const repairs = new Map<string, Cell>();
  for (const [key, old] of before) {
    const standing = map.get(key);
    // Taken out is taken out: whoever did so had seen the row deleted, or made anew.
    if (standing === undefined) continue;
    const isRow = splitCellKey(key).field === undefined;
    const candidates = [written.get(key), old === undefined ? undefined : toCell(old, isRow)];
    let latest = toCell(standing, isRow);
    for (const cell of candidates) if (cell && cell[0] > latest[0]) latest = cell;
    if (latest !== standing) repairs.set(key, latest);
  }
  return { answer: undefined, update, touched: new Set(before.keys()), repairs };
}

/**
 * The cells that a diff of documents writes, by key, once it is applied. Unlike the update of one mutation it also holds
 * what is deleted by now: that has no content any more.
 */
function cellsOfDiff(doc: Y.Doc, update: Uint8Array): ReadonlyMap<string, Cell> {
  const cells = new Map<string, Cell>();
  for (const struct of Y.decodeUpdate(update).structs) {
    if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentAny)) continue;
    if (struct.id.clock >= Y.getState(doc.store, struct.id.client)) continue;
    const item: unknown = Y.getItem(doc.store, struct.id);
    if (!(item instanceof Y.Item) || item.parentSub === null) continue;
    const cell = toCell(struct.content.arr[0], splitCellKey(item.parentSub).field === undefined);
    const other = cells.get(item.parentSub);
    if (!other || cell[0] > other[0]) cells.set(item.parentSub, cell);
  }
  return cells;
}
