import { createRoomAwareness } from '../doc/room-awareness.ts';
import { CotableError } from '../errors.ts';
import { randomName } from '../mutation/mutation-id.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { CellBinding, StreamPlace } from '../protocol/stream-frames.ts';
import { wholeText } from '../streams/text.ts';
import type { JsonValue } from '../util/json.ts';
import { toWellFormed } from '../util/text.ts';
import { createEndedStreams } from './ended-streams.ts';
import type { Limits } from './limits.ts';
import { readKept, type StreamLog } from './stream-log.ts';
import { toPiece, type Declared } from './stream-pieces.ts';
import { createStreamSource, type Audience, type StreamSource } from './stream-source.ts';
import { createViewers, type ShownStream, type StreamViewer } from './viewers.ts';

/**
 * A room's streams go on at most this often, twenty times a second: nobody reads faster, and what a piece costs is not
 * its few letters but the message around it, sent to each viewer.
 */
const EVERY_MS = 50;
/** The same while somebody does not keep up. */
const EVERY_MS_BEHIND = 200;

/** Of so many streams that a viewer knows it is told how they ended: no store names more. */
const MAX_GREETED = 100;

/** What an attempt of before had said. */
export interface Previous {
  readonly attempt: number;
  readonly state: JsonValue | undefined;
}

/** What one producer says: an attempt of a run. */
export interface RunStream {
  /** Opens the stream, empty, in the place of what an earlier attempt said, which it returns. */
  begin(attempt: number, cell: CellBinding | undefined): Previous | undefined;
  /**
   * Says a piece; never waits. Throws `stream.invalidPiece`, `value.notJson`, or `stream.tooLarge`; then nothing of the
   * piece was said.
   */
  say(piece: unknown, audience: Audience): void;
  /** All that it said, whoever it was for; before it has begun, what an earlier attempt said. */
  said(): JsonValue | undefined;
}

/** The open streams of one room: states of its awareness, each extended as it goes, and those who see them. */
export interface RoomStreams {
  /** The producer `run`, and what it may say. */
  of(run: string, declared: Declared): RunStream;
  /** What an open stream has said so far, of whatever attempt. */
  previous(run: string): Previous | undefined;
  /** The run ends with the entry `seq`: viewers swap to the row with it. */
  end(run: string, seq: number): void;
  /** Stands for no run that ends: it is over now, and the rows say nothing of it. */
  finish(run: string): void;
  /** Goes before the entries up to `head`: the last pieces, and the ends that come with them. */
  due(head: number): void;
  /**
   * Of what a viewer says it knows, which has ended with an entry up to `head`, whether that is remembered or not: goes before
   * those entries. Resolves with what has not ended.
   */
  greet(head: number, viewer: StreamViewer, places: readonly StreamPlace[]): Promise<readonly StreamPlace[]>;
  /** The ends of what a viewer says it knows, as far as they are remembered. */
  tellEnds(viewer: StreamViewer, places: readonly StreamPlace[]): void;
  /** The viewer is level with the room. */
  join(viewer: StreamViewer, places: readonly StreamPlace[]): void;
  resume(viewer: StreamViewer, place: StreamPlace): Promise<void>;
  /** As {@link Viewers.after}. */
  after(viewer: StreamViewer, then: () => void): void;
  leave(viewer: StreamViewer): void;
  /** Whether nobody can come back for anything. */
  readonly isIdle: boolean;
  /** Whether something is being said. */
  readonly isOpen: boolean;
  /** They go on in another memory of the room, which holds what was kept: the entries up to `head`. */
  goOn(head: number): void;
  /** This memory is not the room any more, and there is no other one. */
  close(): void;
}

export interface RoomStreamsOptions {
  readonly room: string;
  readonly storage: Pick<RelayStorage, 'keptStreams' | 'run'>;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly log: StreamLog;
}

/** With what is kept of streams of before a start: shown until the next attempt begins. */
export async function openRoomStreams(options: RoomStreamsOptions): Promise<RoomStreams> {
  const { room, logger } = options;
  const restored = new Map<string, StreamSource>();
  const kept = readKept(await options.storage.keptStreams(room), ({ run, number }, error) =>
    logger.error({ room, run, part: number, error }, 'what is kept of a stream cannot be read'),
  );
  for (const { part, kind, cell, said } of kept) {
    const source = restored.get(part.run) ?? createStreamSource({ run: part.run, attempt: part.attempt, kind, cell });
    restored.set(part.run, source);
    for (const { to, content } of said) for (const piece of typeof content === 'string' ? [content] : content) source.say(piece, to);
    source.markSent();
  }
  return createRoomStreams(options, [...restored.values()]);
}

function createRoomStreams(options: RoomStreamsOptions, restored: readonly StreamSource[]): RoomStreams {
  const { room, storage, random, clock, limits, log } = options;
  const awareness = createRoomAwareness<ShownStream>();
  const owners = new Map<string, number>();
  /** Runs that end with an entry that is not kept yet. */
  const ends = new Map<string, number>();
  const ended = createEndedStreams(clock.now);
  const viewers = createViewers({ limits, open: awareness.states, find: (run) => openOf(run) ?? ended.find(run) });
  let cancel: (() => void) | undefined;
  let isScheduled = false;
  let isClosed = false;
  for (const source of restored) show({ source, isRestored: true, end: undefined });

  function openOf(run: string): ShownStream | undefined {
    return awareness.get(owners.get(run) ?? 0);
  }

  function show(stream: ShownStream): void {
    const owner = owners.get(stream.source.run) ?? randomName(random);
    owners.set(stream.source.run, owner);
    awareness.set(owner, stream);
  }

  function schedule(): void {
    if (isScheduled || isClosed) return;
    isScheduled = true;
    clock.soon(sendOn);
  }

  function freshOnes(): StreamSource[] {
    return awareness.states().flatMap(({ source }) => (source.isFresh ? [source] : []));
  }

  /** Comes back for as long as there is something new each time, so that the timer ends by itself soon after the streams. */
  function sendOn(): void {
    const fresh = freshOnes();
    isScheduled = fresh.length > 0 && !isClosed;
    if (!isScheduled) return;
    viewers.spread(fresh, 'now');
    cancel = clock.after(viewers.areBehind ? EVERY_MS_BEHIND : EVERY_MS, sendOn);
  }

  /** Halves of pairs that wait for their second half, by audience. */
  function createHalves(): (piece: string, audience: Audience) => string {
    const rests = new Map<string, string>();
    return (piece, audience) => {
      const key = JSON.stringify(audience);
      const { text, rest } = wholeText((rests.get(key) ?? '') + piece);
      rests.set(key, rest);
      return toWellFormed(text);
    };
  }

  function previousOf(run: string): Previous | undefined {
    const source = openOf(run)?.source;
    return source && { attempt: source.attempt, state: source.state() };
  }

  function endNow(run: string, seq: number): void {
    const stream = openOf(run);
    if (stream) {
      log.drop(stream.source);
      // With what others said before it, since the stream of one recipient goes on from that of its run, and with the end
      // and the row that come behind it.
      viewers.spread(freshOnes(), 'in turn');
      awareness.delete(owners.get(run) ?? 0);
      owners.delete(run);
      ended.add({ ...stream, end: seq });
    }
    viewers.ended(run, seq, stream?.source);
  }

  function due(head: number): void {
    for (const [run, seq] of ends) {
      if (seq > head) continue;
      ends.delete(run);
      endNow(run, seq);
    }
  }

  /** Whether it has ended: the viewer is told of that. */
  function tellEnd(viewer: StreamViewer, place: StreamPlace): boolean {
    const stream = ended.find(place.run);
    if (stream) viewers.tellEnd(viewer, stream, place);
    return stream !== undefined;
  }

  /** The same of one that is not open, and that may be forgotten. */
  async function tellEveryEnd(viewer: StreamViewer, place: StreamPlace): Promise<boolean> {
    if (tellEnd(viewer, place)) return true;
    const stored = await storage.run(room, place.run);
    if (tellEnd(viewer, place)) return true;
    if (stored?.ending) viewers.tellForgotten(viewer, stored);
    return stored?.ending !== undefined;
  }

  return {
    of(run, declared) {
      let source: StreamSource | undefined;
      const whole = createHalves();
      return {
        begin(attempt, cell) {
          const previous = previousOf(run);
          const former = openOf(run)?.source;
          source = createStreamSource({ run, attempt, kind: declared.definition?.kind ?? 'text', cell });
          show({ source, isRestored: false, end: undefined });
          if (former) {
            log.drop(former);
            viewers.replaced(former, source);
          }
          return previous;
        },
        say(piece, audience) {
          const said = toPiece(declared, piece);
          if (!source || (Array.isArray(audience) && audience.length === 0)) return;
          const bytes = (source.kind === 'value' ? 0 : source.bytes) + Buffer.byteLength(said);
          if (bytes > limits.streamBytes)
            throw new CotableError('stream.tooLarge', { name: declared.name, bytes, limit: limits.streamBytes });
          const text = source.kind === 'text' ? whole(said, audience) : said;
          // A half alone waits for the other one.
          if (source.kind === 'text' && text === '') return;
          source.say(text, audience);
          log.touch(room, source);
          schedule();
        },
        said: () => (source ?? openOf(run)?.source)?.state(),
      };
    },
    previous: previousOf,

    end(run, seq) {
      if (owners.has(run) || viewers.isWatched(run)) ends.set(run, seq);
    },

    due,
    finish: (run) => endNow(run, 0),

    async greet(head, viewer, places) {
      due(head);
      const open: StreamPlace[] = [];
      for (const place of places.slice(0, MAX_GREETED)) if (openOf(place.run) || !(await tellEveryEnd(viewer, place))) open.push(place);
      return open;
    },
    tellEnds(viewer, places) {
      for (const place of places) tellEnd(viewer, place);
    },
    join: viewers.join,
    after: viewers.after,
    leave: viewers.leave,

    async resume(viewer, place) {
      const { run } = place;
      const stream = openOf(run) ?? ended.find(run);
      if (stream?.end === undefined) viewers.watch(viewer, run);
      if (stream) return viewers.resume(viewer, place, stream);
      const stored = await storage.run(room, run);
      // It has begun meanwhile, or has not ended: the viewer hears of it.
      if (openOf(run) || ended.find(run) || (stored && !stored.ending)) return;
      viewers.unwatch(viewer, run);
      viewer.send({ type: 'streamGone', run });
    },

    get isIdle() {
      return ended.isEmpty;
    },
    get isOpen() {
      return awareness.states().length > 0;
    },
    goOn(head) {
      due(head);
      // Entries that were not kept ended nothing.
      ends.clear();
    },
    close() {
      isClosed = true;
      cancel?.();
      for (const { source } of awareness.states()) log.drop(source);
    },
  };
}
