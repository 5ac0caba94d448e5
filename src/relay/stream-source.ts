import type { CellBinding, DeltaFrame, StreamKind } from '../protocol/stream-frames.ts';
import type { SaidTo } from '../streams/kept.ts';
import { cutText } from '../streams/text.ts';
import type { JsonValue } from '../util/json.ts';

/** Who gets a piece: everyone in the room, all of it but one user, or the users and sessions of these names. */
export type Audience = SaidTo['to'];

/** Whom an audience is asked about. */
export interface Addressee {
  readonly userId: string;
  readonly sessionId: string;
}

/** The audiences that some viewers have in common: they get the same pieces. */
export interface View {
  readonly key: string;
  readonly audiences: ReadonlySet<number>;
}

/** Pieces of one audience in a row: text, or each as JSON text. */
interface Segment {
  readonly audience: number;
  content: string | string[];
}

/**
 * What one attempt says: every piece once, in the order it was said, with whom it is for. A viewer's offset counts in the
 * pieces that are for it, so it stays right whatever is said to others. Nothing is ever kept for each viewer.
 */
export interface StreamSource {
  readonly run: string;
  readonly attempt: number;
  readonly kind: StreamKind;
  readonly cell: CellBinding | undefined;
  /** UTF-8 bytes of what it holds. */
  readonly bytes: number;
  /** Whether all of it is for the room, so that there is one view. */
  readonly isForRoom: boolean;
  /** Whether some of it was for a session and not for all of its user: another session of that user has not been sent it. */
  readonly isForSessions: boolean;
  /** Whether there is something that was not sent. */
  readonly isFresh: boolean;
  /** Text as it is, a piece of another kind as JSON text. */
  say(piece: string, audience: Audience): void;
  /** The view of a viewer. Audiences may come to it, never go. */
  viewOf(viewer: Addressee): View;
  /** How much of it there is for a view, and how much of that was sent. */
  length(view: View): number;
  sent(view: View): number;
  /** All that was said so far counts as sent. */
  markSent(): void;
  /** What a view gets from `from` on, up to `to` and about `bytes`; the second part is where that ends. */
  slice(view: View, from: number, to: number, bytes: number): readonly [DeltaFrame, number];
  /** All that was said, whoever it was for. */
  state(): JsonValue | undefined;
  /** What was said since it was asked last, to be kept; of values the latest alone. */
  takeFresh(): readonly SaidTo[];
}

/** One audience: the names in it, or all of the room, `but` a user perhaps. */
interface Heard {
  readonly names?: ReadonlySet<string>;
  readonly but?: string;
}

const ALL: Heard = {};

function toHeard(audience: Audience): Heard {
  if (audience === 'room') return ALL;
  return 'but' in audience ? { but: audience.but } : { names: new Set(audience) };
}

export function createStreamSource(options: {
  readonly run: string;
  readonly attempt: number;
  readonly kind: StreamKind;
  readonly cell: CellBinding | undefined;
}): StreamSource {
  const { run, kind } = options;
  const audiences: Heard[] = [];
  const numbers = new Map<string, number>();
  let segments: Segment[] = [];
  /** How much was said to each audience, and how much of that was sent. */
  const said: number[] = [];
  let sent: number[] = [];
  const views = new Map<string, View>();
  const viewers = new WeakMap<Addressee, { examined: number; view: View }>();
  let bytes = 0;
  let isFresh = false;
  let isForSessions = false;
  /** How many segments were taken, and how much of the one behind them. */
  let taken = { segments: 0, length: 0 };

  function numberOf(audience: Audience): number {
    const heard = toHeard(audience);
    const key = heard.names ? JSON.stringify([...heard.names].sort()) : heard.but === undefined ? '' : `-${heard.but}`;
    let number = numbers.get(key);
    if (number === undefined) {
      number = audiences.length;
      numbers.set(key, number);
      audiences.push(heard);
      said.push(0);
      bytes += key.length;
    }
    return number;
  }

  function viewFor(included: readonly number[]): View {
    const key = included.join();
    const view = views.get(key) ?? { key, audiences: new Set(included) };
    views.set(key, view);
    return view;
  }

  function sum(counts: readonly number[], { audiences: included }: View): number {
    let total = 0;
    for (const number of included) total += counts[number] ?? 0;
    return total;
  }

  /** The segments of a view from a length on. From the end, since what is asked for is nearly always new. */
  function* from(view: View, start: number): Generator<readonly [content: string | readonly string[], at: number]> {
    let at = sum(said, view);
    let index = segments.length;
    while (index > 0 && at > start) {
      index -= 1;
      const segment = segments[index];
      if (segment && view.audiences.has(segment.audience)) at -= segment.content.length;
    }
    for (; index < segments.length; index++) {
      const segment = segments[index];
      if (!segment || !view.audiences.has(segment.audience)) continue;
      yield [segment.content, at];
      at += segment.content.length;
    }
  }

  function latest(isIn: (audience: number) => boolean): string | undefined {
    return segments.findLast(({ audience }) => isIn(audience))?.content[0];
  }

  return {
    ...options,
    get bytes() {
      return bytes;
    },
    get isForRoom() {
      return audiences.every(({ names, but }) => names === undefined && but === undefined);
    },
    get isForSessions() {
      return isForSessions;
    },
    get isFresh() {
      return isFresh;
    },

    say(piece, audience) {
      const number = numberOf(audience);
      isFresh = true;
      said[number] = (said[number] ?? 0) + (kind === 'text' ? piece.length : 1);
      bytes += Buffer.byteLength(piece);
      const last = segments.at(-1);
      if (kind === 'value') {
        const former = segments.find((segment) => segment.audience === number);
        if (former) bytes -= Buffer.byteLength(former.content[0] ?? '');
        segments = [...segments.filter((segment) => segment !== former), { audience: number, content: [piece] }];
      } else if (last?.audience !== number) segments.push({ audience: number, content: kind === 'text' ? piece : [piece] });
      else if (typeof last.content === 'string') last.content += piece;
      else last.content.push(piece);
    },

    viewOf(viewer) {
      const known = viewers.get(viewer);
      if (known?.examined === audiences.length) return known.view;
      const included = known ? [...known.view.audiences] : [];
      for (let number = known?.examined ?? 0; number < audiences.length; number++) {
        const { names, but } = audiences[number] ?? ALL;
        if (names ? names.has(viewer.userId) : but !== viewer.userId) included.push(number);
        else if (names?.has(viewer.sessionId)) {
          included.push(number);
          isForSessions = true;
        }
      }
      const view = viewFor(included);
      viewers.set(viewer, { examined: audiences.length, view });
      return view;
    },

    length: (view) => sum(said, view),
    sent: (view) => sum(sent, view),
    markSent() {
      sent = [...said];
      isFresh = false;
    },

    slice(view, start, to, limit) {
      if (kind === 'value') {
        const length = sum(said, view);
        const value = latest((audience) => view.audiences.has(audience)) ?? 'null';
        return [{ type: 'delta', run, offset: length - 1, body: value }, length];
      }
      const parts: string[] = [];
      let left = limit;
      let end = start;
      for (const [content, at] of from(view, start)) {
        if (at >= to) break;
        const last = Math.min(content.length, to - at);
        let cut = Math.max(0, start - at);
        if (typeof content === 'string') {
          const until = cutText(content, cut, last, left);
          // Of the first one something must go, or it would never end.
          if (parts.length > 0 && Buffer.byteLength(content.slice(cut, until)) > left) break;
          parts.push(content.slice(cut, until));
          left -= Buffer.byteLength(parts.at(-1) ?? '');
          cut = until;
        } else {
          for (; cut < last; cut++) {
            const size = Buffer.byteLength(content[cut] ?? '') + 1;
            if (parts.length > 0 && size > left) break;
            left -= size;
            parts.push(content[cut] ?? '');
          }
        }
        end = at + cut;
        if (cut < content.length || left <= 0) break;
      }
      return [{ type: 'delta', run, offset: start, body: kind === 'text' ? parts.join('') : `[${parts.join()}]` }, end];
    },

    state() {
      if (kind === 'text') return segments.map(({ content }) => content as string).join('');
      if (kind === 'items') return segments.flatMap(({ content }) => [...content].map((item) => JSON.parse(item) as JsonValue));
      const value = latest(() => true);
      return value === undefined ? undefined : (JSON.parse(value) as JsonValue);
    },

    takeFresh() {
      const before = taken;
      const fresh = kind === 'value' ? segments : segments.slice(before.segments);
      const last = segments.at(-1);
      taken = { segments: Math.max(0, segments.length - 1), length: last?.content.length ?? 0 };
      const taking: SaidTo[] = [];
      for (const [index, { audience, content }] of fresh.entries()) {
        const { names, but } = audiences[audience] ?? ALL;
        const rest = index === 0 && kind !== 'value' ? content.slice(before.length) : content.slice();
        if (rest.length > 0) taking.push({ to: names ? [...names] : but === undefined ? 'room' : { but }, content: rest });
      }
      return taking;
    },
  };
}
