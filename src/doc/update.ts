import * as Y from 'yjs';
import { CotableError } from '../errors.ts';
import { freezeJson } from '../util/json.ts';
import { addCell, rowKeyProblem, splitCellKey, type Cell, type Effect, type EffectBuilder } from './cells.ts';

/** More structs and delete ranges than this in one update are refused. */
export const MAX_ITEMS = 2_000;

/** A Yjs update taken apart, not yet applied. */
export type DecodedUpdate = ReturnType<typeof Y.decodeUpdate>;

/** What an update does to a table: cells it writes, and every cell key it touches (those it only takes out included). */
export interface UpdateEffect {
  readonly effect: Effect;
  readonly touched: ReadonlySet<string>;
}

/**
 * The gate: nothing reaches a document unchecked. An update passes when it holds only what this version of Cotable
 * writes: items of the one `writer`, beginning exactly at its next clock in `doc`; each in the root map `table`, with one
 * cell of the mutation's clock as content, at a well-formed key; built on items the document has, in the same key; deletes of items it has.
 * Everything else throws `protocol.gateRefused` with the rule that was broken. Values are frozen.
 */
export function gateUpdate(doc: Y.Doc, table: string, writer: number, clockOfCells: number, bytes: Uint8Array): UpdateEffect {
  const update = decode(bytes);
  const ranges = [...update.ds.clients.values()].reduce((sum, list) => sum + list.length, 0);
  if (update.structs.length + ranges > MAX_ITEMS) refuse('more structs and ranges than allowed');
  const effect: EffectBuilder = new Map();
  const touched = new Set<string>();
  let clock = Y.getState(doc.store, writer);
  for (const struct of update.structs) {
    if (!(struct instanceof Y.Item)) refuse('only items are written');
    if (struct.id.client !== writer) refuse('only the own writer is written by');
    if (struct.id.clock !== clock) refuse('clocks follow without gap or repeat');
    if (struct.length !== 1) refuse('an item holds one cell');
    clock += 1;
    const key = keyOf(doc, table, struct);
    if (touched.has(key)) refuse('a cell is written once');
    touched.add(key);
    const cell = cellOf(struct.content, splitCellKey(key).field === undefined);
    if (cell[0] !== clockOfCells) refuse('cells carry the clock of their mutation');
    addCell(effect, key, cell);
  }
  for (const key of deletedKeys(doc, table, update)) touched.add(key);
  return { effect, touched };
}

/**
 * What an update that was already accepted writes, once `doc` has applied it. It passed the gate of the relay, so
 * anything that does not fit means the bytes were damaged since.
 */
export function effectOfUpdate(doc: Y.Doc, table: string, bytes: Uint8Array): Effect {
  const effect: EffectBuilder = new Map();
  for (const struct of decode(bytes).structs) {
    if (!(struct instanceof Y.Item)) refuse('only items are written');
    const key = keyOf(doc, table, struct);
    addCell(effect, key, cellOf(struct.content, splitCellKey(key).field === undefined));
  }
  return effect;
}

/** A cell out of a Y.Map's value, checked and frozen. */
export function toCell(value: unknown, isRow: boolean): Cell {
  if (!Array.isArray(value)) refuse('a cell is a clock and at most one value');
  if (Object.isFrozen(value)) return value as unknown as Cell; // it was here before
  if (value.length < 1 || value.length > 2) refuse('a cell is a clock and at most one value');
  const clock: unknown = value[0];
  if (typeof clock !== 'number' || !Number.isSafeInteger(clock) || clock < 1) refuse('a clock is a positive safe integer');
  const content: unknown = value[1];
  if (value.length === 2 && freezeJson(content)) refuse('a value is plain JSON');
  if (isRow && value.length === 2 && (typeof content !== 'object' || content === null || Array.isArray(content)))
    refuse('a row is an object');
  return Object.freeze(value) as unknown as Cell;
}

function decode(bytes: Uint8Array): DecodedUpdate {
  try {
    return Y.decodeUpdate(bytes);
  } catch (error) {
    throw new CotableError('protocol.gateRefused', { rule: 'an update can be decoded' }, { cause: error });
  }
}

/** A first write names its map and key; any later one stands on the item that was last in its key. */
function keyOf(doc: Y.Doc, table: string, item: Y.Item): string {
  if (item.rightOrigin !== null) refuse('nothing is written before another item');
  if (item.origin === null) {
    // Decoded items carry the root's name here; Yjs types it as what it becomes once applied.
    const parent: unknown = item.parent;
    if (parent !== table) refuse('cells lie in the map of their table');
    return checkedKey(item.parentSub);
  }
  return keyOfItem(doc, table, item.origin.client, item.origin.clock);
}

function keyOfItem(doc: Y.Doc, table: string, client: number, clock: number): string {
  if (clock >= Y.getState(doc.store, client)) refuse('an item stands on known ones');
  const item: unknown = Y.getItem(doc.store, Y.createID(client, clock));
  if (!(item instanceof Y.Item) || item.parent !== doc.share.get(table)) refuse('cells lie in the map of their table');
  return checkedKey(item.parentSub);
}

function checkedKey(key: string | null): string {
  if (key === null) refuse('a cell has a key');
  const { row, field } = splitCellKey(key);
  if (rowKeyProblem(row) !== undefined || field === '__proto__') refuse('keys are well-formed');
  return key;
}

function cellOf(content: Y.Item['content'], isRow: boolean): Cell {
  if (!(content instanceof Y.ContentAny)) refuse('content is plain JSON');
  return toCell(content.arr[0], isRow);
}

function* deletedKeys(doc: Y.Doc, table: string, update: DecodedUpdate): Generator<string> {
  for (const [client, ranges] of update.ds.clients) {
    const known = Y.getState(doc.store, client);
    let from = 0;
    for (const range of ranges) {
      if (range.len < 1 || range.clock < from) refuse('deleted ranges ascend and do not overlap');
      from = range.clock + range.len;
      if (from > known) refuse('only known items are deleted');
      for (let clock = range.clock; clock < from; clock++) yield keyOfItem(doc, table, client, clock);
    }
  }
}

function refuse(rule: string): never {
  throw new CotableError('protocol.gateRefused', { rule });
}
