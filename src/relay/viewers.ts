import { asCotableError, CotableError } from '../errors.ts';
import { encodeFrame } from '../protocol/codec.ts';
import type { StoredRun } from '../ports/run-storage.ts';
import type { RelayFrame } from '../protocol/frames.ts';
import { joinFrames } from '../protocol/message.ts';
import type { StreamEndFrame, StreamFrame, StreamPlace } from '../protocol/stream-frames.ts';
import type { Limits } from './limits.ts';
import type { Member } from './member.ts';
import type { StreamSource, View } from './stream-source.ts';

/** Who is behind, and a newcomer, gets what it lacks in parts of this size. */
const PART_BYTES = 64 * 1024;
/** The next part goes once no more than this of what was sent before has not left. */
const DRAINED_BYTES = 16 * 1024;

/** No viewer has all of a stream that nobody remembers, nor of one that it has to be told again. */
const UNKNOWN_LENGTH = Number.MAX_SAFE_INTEGER;
/** The attempt of the place of a viewer that has to be told all of a stream again. */
const AGAIN = -1;

/** A stream that says something, or has ended with the entry `end` and is still remembered. */
export interface ShownStream {
  readonly source: StreamSource;
  /** What it has is from before a start of the relay; there may have been more. */
  readonly isRestored: boolean;
  readonly end: number | undefined;
}

export type StreamViewer = Pick<Member, 'userId' | 'sessionId' | 'buffered' | 'send' | 'sendMessage' | 'sendNow' | 'drained' | 'fail'>;

/** The links of a room as viewers of its streams. What it costs to be slow is one number for each stream, whatever is said. */
export interface Viewers {
  /** Whether somebody does not keep up. */
  readonly areBehind: boolean;
  /** A link is level with the room: it gets what it lacks, given how far it says it is, and from then on what is new. */
  join(viewer: StreamViewer, places: readonly StreamPlace[]): void;
  /** A stream has ended that a viewer says it knows, up to a place. */
  tellEnd(viewer: StreamViewer, stream: ShownStream, place: StreamPlace): void;
  /** Calls `then` once a viewer was sent all that was said to it: now, where it keeps up; never, when it goes before. */
  after(viewer: StreamViewer, then: () => void): void;
  /** The same of a run of which no stream is remembered: what the viewer lacks of that it never gets. */
  tellForgotten(viewer: StreamViewer, run: Pick<StoredRun, 'id' | 'attempt' | 'seq'>): void;
  leave(viewer: StreamViewer): void;
  /** A viewer lacks something, or wants to hear of a stream. */
  resume(viewer: StreamViewer, place: StreamPlace, stream: ShownStream): void;
  /** It is to hear of the end of a run, whether anything was said to it or not. */
  watch(viewer: StreamViewer, run: string): void;
  unwatch(viewer: StreamViewer, run: string): void;
  isWatched(run: string): boolean;
  /** Sends what is new of these to all who keep up: with what else the turn brings, or now. Afterwards all of it counts as sent. */
  spread(sources: readonly StreamSource[], when: 'now' | 'in turn'): void;
  /** An attempt takes the place of another: whoever was sent something of that one, or watches, starts over. */
  replaced(former: StreamSource, source: StreamSource): void;
  /** The run has ended: whoever was sent something of it is told, and whoever watches it. */
  ended(run: string, seq: number, source: StreamSource | undefined): void;
}

/** Places of those who are behind, by run. */
type Places = Map<string, StreamPlace>;

export function createViewers(options: {
  readonly limits: Pick<Limits, 'ephemeralBytes' | 'drainMs'>;
  /** Open streams. */
  readonly open: () => readonly ShownStream[];
  /** Open ones, and those that have ended and are remembered. */
  readonly find: (run: string) => ShownStream | undefined;
}): Viewers {
  const { limits, open, find } = options;
  const present = new Set<StreamViewer>();
  const behind = new Map<StreamViewer, Places>();
  /** What those who are behind, or not here yet, are told next. */
  const waiting = new Map<StreamViewer, (() => void)[]>();
  const watching = new Map<string, Set<StreamViewer>>();

  /** From where everybody is who keeps up; `sources` are being sent to those. */
  function fallBehind(viewer: StreamViewer, sources: readonly StreamSource[] = []): Places {
    const places: Places = new Map();
    for (const source of sources) if (source.length(source.viewOf(viewer)) > 0) places.set(source.run, nowhere(source.run));
    for (const { source } of open()) {
      const offset = source.sent(source.viewOf(viewer));
      if (offset > 0) places.set(source.run, { run: source.run, attempt: source.attempt, offset });
    }
    behind.set(viewer, places);
    return places;
  }

  async function catchUp(viewer: StreamViewer, places: Places): Promise<void> {
    try {
      while (behind.get(viewer) === places) {
        const { frames, isAll } = lacking(viewer, places);
        for (const frame of frames) viewer.send(frame);
        if (isAll) behind.delete(viewer);
        else await drained(viewer);
      }
      if (!isLevel(viewer)) return;
      const told = waiting.get(viewer) ?? [];
      waiting.delete(viewer);
      for (const then of told) then();
    } catch (error) {
      viewer.fail(asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error })));
    }
  }

  function isLevel(viewer: StreamViewer): boolean {
    return present.has(viewer) && !behind.has(viewer);
  }

  function drained(viewer: StreamViewer): Promise<void> {
    return viewer.drained(DRAINED_BYTES, () => new CotableError('stream.slowViewer', { ms: limits.drainMs }));
  }

  /** The next part of what a viewer has not been sent; its places are then behind that. */
  function lacking(viewer: StreamViewer, places: Places): { readonly frames: readonly RelayFrame[]; readonly isAll: boolean } {
    const frames: RelayFrame[] = [];
    let left = PART_BYTES;
    for (const run of places.keys()) {
      if (find(run)) continue;
      // It has ended and is not remembered any more: who has not got all of it by now gets no more.
      places.delete(run);
      frames.push({ type: 'streamGone', run });
    }
    const ended = [...places.keys()].flatMap((run) => find(run) ?? []).filter(({ end }) => end !== undefined);
    for (const { source, end } of [...ended, ...open()]) {
      const view = source.viewOf(viewer);
      const all = source.sent(view);
      let place = places.get(source.run);
      // Nothing was said to it yet.
      if (all === 0 && end === undefined && (!place || place.attempt === 0)) continue;
      if (place?.attempt !== source.attempt) {
        const isAgain = place?.attempt === AGAIN;
        place = { run: source.run, attempt: source.attempt, offset: 0 };
        // First that it is over, if it is: what it says takes the place of no row any more. Who is told again knows that.
        if (end !== undefined && !isAgain) frames.push(ending(source.run, source.attempt, end, all));
        if (all > 0 || end === undefined || isAgain) frames.push(opening(source));
        if (end !== undefined && isAgain) frames.push(ending(source.run, source.attempt, end, all));
        // Of this attempt it may never be sent anything, and still it is to hear of the end.
        if (end === undefined) watch(viewer, source.run);
      }
      let { offset } = place;
      while (offset < all && left > 0) {
        const [delta, to] = source.slice(view, offset, all, left);
        frames.push(delta);
        left -= Buffer.byteLength(delta.body);
        offset = to;
      }
      places.set(source.run, { ...place, offset });
      if (end !== undefined && offset >= all) places.delete(source.run);
      if (left <= 0) break;
    }
    return { frames, isAll: left > 0 };
  }

  /** What is new to a view, at once; `undefined`: it is too much for that. */
  function news(sources: readonly StreamSource[], views: readonly View[]): Uint8Array | undefined {
    const frames: Uint8Array[] = [];
    let bytes = 0;
    for (const [index, source] of sources.entries()) {
      const view = views[index];
      if (!view) continue;
      const [from, to] = [source.sent(view), source.length(view)];
      if (from === to) continue;
      if (from === 0) frames.push(encodeFrame(opening(source)));
      const [delta, end] = source.slice(view, from, to, PART_BYTES);
      const frame = encodeFrame(delta);
      bytes += frame.length;
      if (end < to || bytes > PART_BYTES) return undefined;
      frames.push(frame);
    }
    return joinFrames(frames);
  }

  /** Encodes once for all that have the same views. `too much` is `undefined`. */
  function perViews<T>(sources: readonly StreamSource[], make: (views: readonly View[]) => T): (viewer: StreamViewer) => T {
    const made = new Map<string, { readonly value: T }>();
    const isOne = sources.every((source) => source.isForRoom);
    return (viewer) => {
      // Whoever it is, there is one view.
      const first = isOne && made.get('');
      if (first) return first.value;
      const views = sources.map((source) => source.viewOf(viewer));
      const key = isOne ? '' : views.map((view) => view.key).join(';');
      const found = made.get(key) ?? { value: make(views) };
      made.set(key, found);
      return found.value;
    };
  }

  function watch(viewer: StreamViewer, run: string): void {
    const viewers = watching.get(run) ?? new Set();
    watching.set(run, viewers.add(viewer));
  }

  function unwatch(viewer: StreamViewer, run: string): void {
    const viewers = watching.get(run);
    if (viewers?.delete(viewer) && viewers.size === 0) watching.delete(run);
  }

  /** A place that a viewer tells, as far as it is one of this stream. */
  function placeIn({ source, isRestored }: ShownStream, viewer: StreamViewer, place: StreamPlace): StreamPlace {
    // It has heard of a later one, of which nothing was kept: what is here is behind that.
    if (isRestored && place.attempt > source.attempt)
      return { ...place, attempt: source.attempt, offset: source.sent(source.viewOf(viewer)) };
    if (place.attempt !== source.attempt) return place;
    // It may have seen what was not kept; of what is said now it cannot have seen more than was sent.
    const isKnown = isRestored || place.offset <= source.sent(source.viewOf(viewer));
    return isKnown && !source.isForSessions ? place : { ...place, attempt: AGAIN };
  }

  return {
    get areBehind() {
      return behind.size > 0;
    },

    join(viewer, claims) {
      present.add(viewer);
      const places: Places = new Map();
      for (const claim of claims) {
        const stream = find(claim.run);
        if (!stream) continue;
        places.set(claim.run, placeIn(stream, viewer, claim));
        // What it saw may not have been kept: then nothing here says that it has something of it.
        if (stream.end === undefined) watch(viewer, claim.run);
      }
      const runs = new Set(places.keys());
      for (const { source } of open()) if (source.sent(source.viewOf(viewer)) > 0) runs.add(source.run);
      viewer.send({ type: 'streams', runs: [...runs] });
      behind.set(viewer, places);
      void catchUp(viewer, places);
    },

    tellEnd(viewer, stream, place) {
      const { source, end } = stream;
      if (end === undefined) return;
      const isAgain = placeIn(stream, viewer, place).attempt === AGAIN;
      viewer.send(ending(source.run, source.attempt, end, isAgain ? UNKNOWN_LENGTH : source.length(source.viewOf(viewer))));
    },

    after(viewer, then) {
      if (isLevel(viewer)) then();
      else waiting.set(viewer, [...(waiting.get(viewer) ?? []), then]);
    },

    tellForgotten(viewer, { id, attempt, seq }) {
      viewer.send(ending(id, attempt, seq, UNKNOWN_LENGTH));
    },

    leave(viewer) {
      present.delete(viewer);
      behind.delete(viewer);
      waiting.delete(viewer);
      for (const run of [...watching.keys()]) unwatch(viewer, run);
    },

    resume(viewer, place, stream) {
      // It has been sent what there is of an open stream, or will be; that came while it asked.
      if (place.attempt === 0 && stream.end === undefined) return;
      const known = behind.get(viewer);
      const places = known ?? fallBehind(viewer);
      places.set(place.run, placeIn(stream, viewer, place));
      if (!known) void catchUp(viewer, places);
    },

    watch,
    unwatch,
    isWatched: (run) => watching.has(run),

    spread(sources, when) {
      const newsFor = perViews(sources, (views) => news(sources, views));
      const fallen: [StreamViewer, Places][] = [];
      for (const viewer of present) {
        if (behind.has(viewer)) continue;
        const message = viewer.buffered > limits.ephemeralBytes ? undefined : newsFor(viewer);
        if (!message) fallen.push([viewer, fallBehind(viewer, sources)]);
        else if (message.length === 0) continue;
        else if (when === 'now') viewer.sendNow(message);
        else viewer.sendMessage(message);
      }
      for (const source of sources) source.markSent();
      for (const [viewer, places] of fallen) {
        drained(viewer).then(
          () => void catchUp(viewer, places),
          (error: CotableError) => viewer.fail(error),
        );
      }
    },

    replaced(former, source) {
      const message = joinFrames([encodeFrame(opening(source))]);
      for (const viewer of present) {
        const isShown = former.sent(former.viewOf(viewer)) > 0 || watching.get(source.run)?.has(viewer);
        if (behind.has(viewer) || !isShown) continue;
        viewer.sendMessage(message);
        watch(viewer, source.run);
      }
    },

    ended(run, seq, source) {
      const endFor = perViews(source ? [source] : [], ([view]) =>
        joinFrames([encodeFrame(ending(run, source?.attempt ?? 0, seq, source && view ? source.length(view) : 0))]),
      );
      const watchers = watching.get(run);
      for (const viewer of present) {
        const isShown = source !== undefined && source.sent(source.viewOf(viewer)) > 0;
        const places = behind.get(viewer);
        if (isShown && places && !places.has(run)) places.set(run, nowhere(run));
        if (source && places?.get(run)?.attempt === AGAIN) viewer.send(ending(run, source.attempt, seq, UNKNOWN_LENGTH));
        else if (isShown || places?.has(run) || watchers?.has(viewer)) viewer.sendMessage(endFor(viewer));
      }
      watching.delete(run);
    },
  };
}

function nowhere(run: string): StreamPlace {
  return { run, attempt: 0, offset: 0 };
}

function opening({ run, attempt, kind, cell }: StreamSource): StreamFrame {
  return { type: 'stream', run, attempt, kind, cell };
}

function ending(run: string, attempt: number, seq: number, length: number): StreamEndFrame {
  return { type: 'streamEnd', run, attempt, seq, length };
}
