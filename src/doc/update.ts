import * as Y from 'yjs';
import { freezeJson, isForbiddenKey } from '../util/json.ts';
import { addCell, fieldProblem, rowKeyProblem, splitCellKey, type Cell, type Effect, type EffectBuilder } from './cells.ts';
import { readUpdate, type DeletedRange, type ReadItem } from './read-update.ts';
import { refuse } from './refuse.ts';

/** More structs and deleted items than this in one frame are refused. */
export const MAX_ITEMS = 2_000;
/** Yjs counts clocks in 32 bits here and there. */
const MAX_CLOCK = 2 ** 31 - 1;

/** What an update does to a table: cells it writes, and every cell key it touches (those it only takes out included). */
export interface UpdateEffect {
  readonly effect: Effect;
  readonly touched: ReadonlySet<string>;
  /** How many structs and deleted items it has. */
  readonly items: number;
}

/**
 * The gate: nothing reaches a document unchecked. An update passes when it holds only what this version of Cotable
 * writes: items of the one `writer`, beginning exactly at its next clock in `doc`; each in the root map `table`, with one
 * cell of the mutation's clock as content, at a well-formed key; built on items the document has, in the same key, none
 * of them left of the writer's own; deletes of items it has; `limit` of all that at most, and something. Everything else
 * throws `protocol.gateRefused` with the rule that was broken. Values are frozen.
 */
export function gateUpdate(
  doc: Y.Doc,
  table: string,
  writer: number,
  clockOfCells: number,
  bytes: Uint8Array,
  limit = MAX_ITEMS,
): UpdateEffect {
  const update = readUpdate(bytes, limit);
  const { items, deleted } = update;
  if (items.length > 0) {
    if (update.client !== writer) refuse('only the own writer is written by');
    if (update.clock !== Y.getState(doc.store, writer)) refuse('clocks follow without gap or repeat');
    if (update.clock + items.length > MAX_CLOCK) refuse('clocks end below 2^31');
  } else if (deleted.length === 0) refuse('an update changes something');
  const effect: EffectBuilder = new Map();
  const touched = new Set<string>();
  for (const item of items) {
    const key = keyOf(doc, table, item);
    if (touched.has(key)) refuse('a cell is written once');
    touched.add(key);
    checkPlace(doc, table, writer, key, item);
    const cell = toShape(item.value, splitCellKey(key).field === undefined);
    if (cell[0] !== clockOfCells) refuse('cells carry the clock of their mutation');
    addCell(effect, key, cell);
  }
  let count = items.length;
  for (const range of deleted) {
    count += range.len;
    for (const key of keysOfRange(doc, table, range)) touched.add(key);
  }
  return { effect, touched, items: count };
}

/**
 * What an update that was already accepted writes, once `doc` has applied it. It passed the gate of the relay, so
 * anything that does not fit means the bytes were damaged since.
 */
export function effectOfUpdate(doc: Y.Doc, table: string, bytes: Uint8Array): Effect {
  const effect: EffectBuilder = new Map();
  for (const item of readUpdate(bytes, Infinity).items) {
    const key = keyOf(doc, table, item);
    addCell(effect, key, toShape(item.value, splitCellKey(key).field === undefined));
  }
  return effect;
}

/** A cell out of a Y.Map's value, checked and frozen. */
export function toCell(value: unknown, isRow: boolean): Cell {
  if (Array.isArray(value) && Object.isFrozen(value)) return value as unknown as Cell; // it was here before
  // The list around a value is one level more than values have.
  if (freezeJson(value, -1)) refuse('a value is plain JSON');
  return toShape(value, isRow);
}

/** What has the shape of a cell, of values that are plain JSON. */
function toShape(value: unknown, isRow: boolean): Cell {
  if (!Array.isArray(value) || value.length < 1 || value.length > 2) refuse('a cell is a clock and at most one value');
  const [clock, content]: readonly unknown[] = value;
  if (typeof clock !== 'number' || !Number.isSafeInteger(clock) || clock < 1) refuse('a clock is a positive safe integer');
  if (isRow && value.length === 2 && (typeof content !== 'object' || content === null || Array.isArray(content)))
    refuse('a row is an object');
  return value as unknown as Cell;
}

/** A first write names its map and key; any later one stands on the item that was last in its key. */
function keyOf(doc: Y.Doc, table: string, { origin, parent, key }: ReadItem): string {
  if (origin) return checkedKey(itemAt(doc, table, origin.client, origin.clock).parentSub);
  if (parent !== table) refuse('cells lie in the map of their table');
  return checkedKey(key ?? null);
}

function itemAt(doc: Y.Doc, table: string, client: number, clock: number): Y.Item {
  if (clock >= Y.getState(doc.store, client)) refuse('an item stands on known ones');
  const item: unknown = Y.getItem(doc.store, Y.createID(client, clock));
  if (!(item instanceof Y.Item) || item.parent !== doc.share.get(table)) refuse('cells lie in the map of their table');
  return item;
}

function checkedKey(key: string | null): string {
  if (key === null) refuse('a cell has a key');
  const { row, field } = splitCellKey(key);
  if (rowKeyProblem(row) !== undefined) refuse('keys are well-formed');
  if (field !== undefined && (isForbiddenKey(field) || fieldProblem(field) !== undefined)) refuse('keys are well-formed');
  return key;
}

/**
 * Whoever has written to a key knows that item, and writes behind it from then on. Yjs walks over all that stands
 * between an item's origin and its place: who could begin left of the own items again and again would have it walk the
 * whole key each time. This walks no further than Yjs would.
 */
function checkPlace(doc: Y.Doc, table: string, writer: number, key: string, { origin }: ReadItem): void {
  let item = doc.share.get(table)?._map.get(key) ?? null;
  for (; item !== null; item = item.left) {
    const { client, clock } = item.id;
    const isOrigin = origin !== undefined && origin.client === client && origin.clock >= clock && origin.clock < clock + item.length;
    // Items that were taken out lie together as one: then the origin must be its last.
    if (client === writer && !(isOrigin && origin.clock === clock + item.length - 1)) {
      refuse('a writer writes behind its own items');
    }
    if (isOrigin) return;
  }
}

/** The keys that a range of items touches. */
function* keysOfRange(doc: Y.Doc, table: string, { client, clock, len }: DeletedRange): Generator<string> {
  const end = clock + len;
  if (end > Y.getState(doc.store, client)) refuse('only known items are deleted');
  for (let at = clock; at < end;) {
    const item = itemAt(doc, table, client, at);
    yield checkedKey(item.parentSub);
    at = item.id.clock + item.length;
  }
}
