import { CotableError } from '../errors.ts';
import type { StreamKind } from '../protocol/stream-frames.ts';
import { freezeJson, type JsonValue } from '../util/json.ts';

/**
 * What a viewer was sent of one attempt. `length` counts in that: UTF-16 code units of a text, pieces of the other kinds.
 * `state` is the text, the list, or the latest value, `undefined` before there is one.
 */
export interface Said {
  readonly kind: StreamKind;
  readonly length: number;
  readonly state: JsonValue | undefined;
}

/** Something new, from `offset` on: text as it is, a list of items or a value as JSON text. */
export interface Delta {
  readonly offset: number;
  readonly body: string;
}

const EMPTY: Readonly<Record<StreamKind, JsonValue | undefined>> = { text: '', items: Object.freeze([]), value: undefined };

export function nothingSaid(kind: StreamKind): Said {
  return { kind, length: 0, state: EMPTY[kind] };
}

/**
 * With a delta taken in: what is known already is left out. `undefined`: something in between is missing, which for a
 * value never matters. Throws `protocol.badFrame`.
 */
export function extend(said: Said, { offset, body }: Delta): Said | undefined {
  const { kind, length, state } = said;
  if (kind === 'value') return offset < length ? said : { kind, length: offset + 1, state: read(body) };
  if (offset > length) return undefined;
  if (kind === 'text') {
    const text = (state as string) + body.slice(length - offset);
    return { kind, length: text.length, state: text };
  }
  const items = read(body);
  if (!Array.isArray(items)) throw new CotableError('protocol.badFrame', { problem: 'items of a stream are no list' });
  const list = [...(state as readonly JsonValue[]), ...(items as readonly JsonValue[]).slice(length - offset)];
  return { kind, length: list.length, state: Object.freeze(list) };
}

/** The pieces behind `offset`: of a text all of it as one, of values the latest alone. */
export function piecesAfter({ kind, length, state }: Said, offset: number): readonly (JsonValue | undefined)[] {
  if (offset >= length) return [];
  if (kind === 'text') return [(state as string).slice(offset)];
  return kind === 'items' ? (state as readonly JsonValue[]).slice(offset) : [state];
}

function read(body: string): JsonValue {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: 'a piece of a stream is not JSON' }, { cause: error });
  }
  // Within a list it was one level less deep.
  const problem = freezeJson(value, -1);
  if (problem) throw new CotableError('protocol.badFrame', { problem: `a piece of a stream holds ${problem.found}` });
  return value as JsonValue;
}
