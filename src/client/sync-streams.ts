import { CotableError } from '../errors.ts';
import type { StreamPlace } from '../protocol/stream-frames.ts';
import type { StreamNews } from './sync-wire.ts';

/** What the handlers of events say in one room while they work, each piece once and in order, to whoever is there for it. */
export interface PieceStreams {
  hear(news: StreamNews): void;
  /** Runs `then` once all pieces of a run were given that this link gets of it; at once if there is none to wait for. */
  after(run: string, then: () => void): void;
  /** What was said of a run is wanted, also if it was said while there was no link. Not by who is nobody: the relay does not answer that. */
  want(run: string): void;
  /** Somebody is there who was not: what passed by of open streams is asked for. */
  look(): void;
  /** A new link: how far this side is. */
  places(): readonly StreamPlace[];
}

/** A stream of which something is still to come. */
interface Open {
  attempt: number;
  /** How many of its pieces were given. */
  offset: number;
  /** The link that it was begun over: offsets of another one may count other pieces, as some are for one link alone. */
  link: number;
  /** Pieces passed by and were not read: nobody was there for them. */
  isPassed: boolean;
  isAsked: boolean;
  end: { readonly attempt: number; readonly length: number } | undefined;
  /** What waits for its last piece. */
  readonly waiting: (() => void)[];
}

/** A first frame must stay small. */
const MAX_PLACES = 100;
/** Runs that were read to their end which are remembered. */
const MAX_PAST = 100;

export function createPieceStreams(options: {
  /** Whether somebody is there for pieces of this run. Nothing of others is read. */
  readonly isWanted: (run: string) => boolean;
  readonly give: (run: string, piece: unknown) => void;
  readonly resume: (place: StreamPlace) => void;
}): PieceStreams {
  const { isWanted, give, resume } = options;
  const streams = new Map<string, Open>();
  const past = new Set<string>();
  let link = 0;

  function known(run: string): Open {
    const stream = streams.get(run) ?? { attempt: 0, offset: 0, link, isPassed: false, isAsked: false, end: undefined, waiting: [] };
    streams.set(run, stream);
    return stream;
  }

  function over(run: string): void {
    const stream = streams.get(run);
    streams.delete(run);
    if (stream?.end && !stream.isPassed) past.add(run);
    for (const first of past) if (past.size > MAX_PAST) past.delete(first);
    for (const then of stream?.waiting ?? []) then();
  }

  /** Something is missing. Asked once: what comes until it is answered is as far ahead. */
  function ask(run: string, stream: Open): void {
    if (stream.isAsked) return;
    stream.isAsked = true;
    resume({ run, attempt: stream.attempt, offset: stream.offset });
  }

  function settle(run: string, stream: Open): void {
    const { end } = stream;
    if (!end) return;
    const isWhole = end.length === 0 || (stream.attempt === end.attempt && stream.offset >= end.length);
    if (isWhole || !isWanted(run)) over(run);
    // Of another attempt all is on its way.
    else if (stream.isPassed && stream.attempt === end.attempt) ask(run, stream);
  }

  function extend(run: string, offset: number, body: string): void {
    const stream = streams.get(run);
    if (!stream) return;
    if (!isWanted(run)) {
      stream.isPassed = true;
      return settle(run, stream);
    }
    if (offset > stream.offset) return ask(run, stream);
    const pieces: unknown = JSON.parse(body);
    if (!Array.isArray(pieces)) throw new CotableError('protocol.badFrame', { problem: 'pieces of an event are no list' });
    Object.assign(stream, { link, isAsked: false, isPassed: false });
    for (const piece of pieces.slice(stream.offset - offset)) {
      stream.offset += 1;
      give(run, piece);
    }
    settle(run, stream);
  }

  function look(): void {
    for (const [run, stream] of streams) if (stream.isPassed && isWanted(run)) ask(run, stream);
  }

  return {
    hear(news) {
      // It was asked for, and came by itself as well.
      if ('run' in news && past.has(news.run)) return;
      switch (news.type) {
        case 'stream': {
          const stream = known(news.run);
          // Told again over one link it is the same, and what was given of it is known.
          if (stream.attempt !== news.attempt || stream.link !== link) Object.assign(stream, { attempt: news.attempt, offset: 0, link });
          return settle(news.run, stream);
        }
        case 'delta':
          return extend(news.run, news.offset, news.body);
        case 'streamEnd': {
          const stream = known(news.run);
          stream.end = news;
          return settle(news.run, stream);
        }
        case 'streamGone':
          return over(news.run);
        case 'streams':
          for (const run of [...streams.keys()]) if (!news.runs.includes(run)) over(run);
      }
    },
    after(run, then) {
      // What is said to one recipient is a stream of its own, named after the run and who it is for.
      const first = [...streams].find(([name]) => (name === run || name.startsWith(`${run}~`)) && isWanted(name));
      if (first) first[1].waiting.push(() => this.after(run, then));
      else then();
    },
    look,
    want(run) {
      if (streams.has(run) || past.has(run)) look();
      else ask(run, known(run));
    },
    places() {
      link += 1;
      for (const stream of streams.values()) stream.isAsked = false;
      return [...streams].slice(-MAX_PLACES).map(([run, { attempt, offset }]) => ({ run, attempt, offset }));
    },
  };
}
