import * as decoding from 'lib0/decoding';
import { isForbiddenKey, MAX_JSON_DEPTH, type JsonValue } from '../util/json.ts';
import { refuse } from './refuse.ts';

/** An item as it is written: at the beginning of the key `key` in the map `parent`, or behind the item `origin`. */
export interface ReadItem {
  readonly origin: { readonly client: number; readonly clock: number } | undefined;
  readonly parent: string | undefined;
  readonly key: string | undefined;
  readonly value: JsonValue;
}

export interface DeletedRange {
  readonly client: number;
  readonly clock: number;
  readonly len: number;
}

/** An update taken apart, not applied: items of one client in a row from `clock` on, and ranges of items it takes out. */
export interface ReadUpdate {
  readonly client: number;
  readonly clock: number;
  readonly items: readonly ReadItem[];
  readonly deleted: readonly DeletedRange[];
}

/** How Yjs (encoding V1) marks an item: the kind of its content in the low bits, and what stands before it. */
const KIND = 0b0001_1111;
const HAS_KEY = 0b0010_0000;
const HAS_RIGHT_ORIGIN = 0b0100_0000;
const HAS_ORIGIN = 0b1000_0000;
const KIND_GC = 0;
const KIND_SKIP = 10;
const KIND_ANY = 8;

/**
 * Reads the closed part of Yjs' format that Cotable writes, with the very functions Yjs reads it with, so that both see
 * the same. Counts are compared with `limit` before anything is made for them, a value is built only as far as it is
 * plain JSON, and the first thing that does not fit ends it with `protocol.gateRefused`. Values are frozen.
 */
export function readUpdate(bytes: Uint8Array, limit: number): ReadUpdate {
  const input = decoding.createDecoder(bytes);
  try {
    const blocks = decoding.readVarUint(input);
    // Of two blocks of one client Yjs would drop the first.
    if (blocks > 1) refuse('only the own writer is written by, in one block');
    const count = blocks === 1 ? decoding.readVarUint(input) : 0;
    if (count > limit) refuse('no more structs and ranges than allowed');
    if (blocks === 1 && count < 1) refuse('a block is not empty');
    const client = blocks === 1 ? decoding.readVarUint(input) : 0;
    const clock = blocks === 1 ? decoding.readVarUint(input) : 0;
    const items: ReadItem[] = [];
    for (let left = count; left > 0; left--) items.push(readItem(input));
    const deleted = readDeleted(input, limit - count);
    if (decoding.hasContent(input)) refuse('no bytes are left over');
    return { client, clock, items, deleted };
  } catch (error) {
    if (error instanceof Error && error.name === 'CotableError') throw error;
    return refuse('an update can be decoded', error);
  }
}

function readItem(input: decoding.Decoder): ReadItem {
  const info = decoding.readUint8(input);
  const kind = info & KIND;
  if (kind === KIND_GC || kind === KIND_SKIP) refuse('only items are written');
  if (kind !== KIND_ANY) refuse('content is plain JSON');
  if ((info & HAS_RIGHT_ORIGIN) !== 0) refuse('nothing is written before another item');
  const hasOrigin = (info & HAS_ORIGIN) !== 0;
  const origin = hasOrigin ? { client: decoding.readVarUint(input), clock: decoding.readVarUint(input) } : undefined;
  if (!hasOrigin && decoding.readVarUint(input) !== 1) refuse('cells lie in the map of their table');
  const parent = hasOrigin ? undefined : readName(input);
  // Yjs keeps the mark, and leaves the key out, where an item that stands before says it.
  const key = !hasOrigin && (info & HAS_KEY) !== 0 ? decoding.readVarString(input) : undefined;
  if (decoding.readVarUint(input) !== 1) refuse('an item holds one cell');
  // A cell is a list around its value, so it is one level deeper than a value may be.
  return { origin, parent, key, value: readJson(input, MAX_JSON_DEPTH + 1) };
}

/** Ranges as Yjs writes them: each client once, from the highest to the lowest, and the ranges of each ascending. */
function readDeleted(input: decoding.Decoder, limit: number): DeletedRange[] {
  const deleted: DeletedRange[] = [];
  let left = limit;
  let before = Infinity;
  const clients = decoding.readVarUint(input);
  if (clients > left) refuse('no more structs and ranges than allowed');
  for (let index = 0; index < clients; index++) {
    const client = decoding.readVarUint(input);
    if (client >= before) refuse('deleted ranges name each client once');
    before = client;
    const ranges = decoding.readVarUint(input);
    if (ranges < 1) refuse('deleted ranges are not empty');
    if (ranges > left) refuse('no more structs and ranges than allowed');
    let from = 0;
    for (let range = 0; range < ranges; range++) {
      const clock = decoding.readVarUint(input);
      const len = decoding.readVarUint(input);
      if (len < 1) refuse('deleted ranges are not empty');
      if (clock < from) refuse('deleted ranges ascend and do not overlap');
      // A cell has one item to take out, so that what a range holds counts as much as the range.
      left -= len;
      if (left < 0) refuse('no more structs and ranges than allowed');
      from = clock + len;
      deleted.push({ client, clock, len });
    }
  }
  return deleted;
}

/** Names that were met, by a sloppy hash: an update holds the same few again and again. */
const names: string[] = Array.from({ length: 256 }, () => '');
const MAX_NAME = 24;

/** A text that is likely to be one of a few. */
function readName(input: decoding.Decoder): string {
  const { arr, pos } = input;
  const length = arr[pos] ?? 0;
  if (length === 0 || length > MAX_NAME || pos + length >= arr.length) return decoding.readVarString(input);
  const slot = (length * 31 + (arr[pos + 1] ?? 0) * 7 + (arr[pos + length] ?? 0)) & 255;
  const known = names[slot] ?? '';
  let same = known.length === length;
  for (let at = 0; same && at < length; at++) same = known.charCodeAt(at) === arr[pos + 1 + at];
  if (same) {
    input.pos = pos + 1 + length;
    return known;
  }
  const name = decoding.readVarString(input);
  // Of ASCII, or the codes of its characters could be those of other bytes.
  if (/^[\x20-\x7e]*$/.test(name)) names[slot] = name;
  return name;
}

/** One value in the encoding of lib0 (`readAny`), without what is not JSON. */
function readJson(input: decoding.Decoder, depth: number): JsonValue {
  const tag = decoding.readUint8(input);
  switch (tag) {
    case 126:
      return null;
    case 125:
      return decoding.readVarInt(input);
    case 124:
      return finite(decoding.readFloat32(input));
    case 123:
      return finite(decoding.readFloat64(input));
    case 121:
      return false;
    case 120:
      return true;
    case 119:
      return decoding.readVarString(input);
    case 118:
      return readObject(input, depth - 1);
    case 117:
      return readList(input, depth - 1);
    default:
      return refuse('a value is plain JSON');
  }
}

function readObject(input: decoding.Decoder, depth: number): JsonValue {
  if (depth < 0) refuse('a value is not too deep');
  const object: Record<string, JsonValue> = {};
  for (let left = decoding.readVarUint(input); left > 0; left--) {
    const key = readName(input);
    if (isForbiddenKey(key)) refuse('keys are well-formed');
    object[key] = readJson(input, depth);
  }
  return Object.freeze(object);
}

function readList(input: decoding.Decoder, depth: number): JsonValue {
  if (depth < 0) refuse('a value is not too deep');
  const list: JsonValue[] = [];
  for (let left = decoding.readVarUint(input); left > 0; left--) list.push(readJson(input, depth));
  return Object.freeze(list);
}

function finite(number: number): number {
  return Number.isFinite(number) ? number : refuse('a value is plain JSON');
}
