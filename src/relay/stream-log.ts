import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { StreamPart } from '../ports/stream-storage.ts';
import { decodeSaid, encodeSaid } from '../streams/kept.ts';
import type { StreamSource } from './stream-source.ts';

/** With the time that the disk takes, no more than a quarter of a second of what was said is lost in a crash. */
const EVERY_MS = 200;

/**
 * The short log of all open streams of a relay: what is new of them goes to the disk together, a few times in a second.
 * Who says something never waits for it.
 */
export interface StreamLog {
  /** Something was said. */
  touch(room: string, source: StreamSource): void;
  /** Nothing more of it is kept: it has ended, or gave way to another attempt. */
  drop(source: StreamSource): void;
  /** Resolves when all that was said so far is kept, or could not be. Nothing more is kept from then on. */
  close(): Promise<void>;
}

interface Kept {
  readonly room: string;
  /** Parts that are on disk, and one that is to be. */
  parts: number;
  waiting: StreamPart | undefined;
}

export function createStreamLog(options: {
  readonly storage: Pick<RelayStorage, 'keepStreams'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Logger;
}): StreamLog {
  const { storage, clock, logger } = options;
  const known = new WeakMap<StreamSource, Kept>();
  const touched = new Set<StreamSource>();
  let cancel: (() => void) | undefined;
  let writing: Promise<void> | undefined;
  let isClosed = false;

  function schedule(): void {
    if (touched.size > 0 && !writing && !isClosed) cancel ??= clock.after(EVERY_MS, () => void write());
  }

  function write(): Promise<void> {
    cancel?.();
    cancel = undefined;
    writing ??= writeOnce().finally(() => {
      writing = undefined;
      schedule();
    });
    return writing;
  }

  async function writeOnce(): Promise<void> {
    const taken = [...touched];
    touched.clear();
    /** What is made again may not be all that there is by now. */
    const again = taken.filter((source) => known.get(source)?.waiting);
    const parts = taken.flatMap((source) => partOf(source) ?? []);
    if (parts.length === 0) return;
    try {
      await storage.keepStreams(parts);
      for (const source of taken) {
        const state = known.get(source);
        if (state) state.waiting = undefined;
      }
      for (const source of again) if (known.has(source)) touched.add(source);
    } catch (error) {
      // The part stays as it is, and what is said meanwhile is another one.
      for (const source of taken) if (known.has(source)) touched.add(source);
      logger.warn({ error }, 'what streams said could not be kept');
    }
  }

  /** A part that could not be kept goes first, as it is. */
  function partOf(source: StreamSource): StreamPart | undefined {
    const state = known.get(source);
    if (!state || state.waiting) return state?.waiting;
    const said = source.takeFresh();
    if (said.length === 0) return undefined;
    // Of a value the latest is all there is.
    state.parts = source.kind === 'value' ? 1 : state.parts + 1;
    const { run, attempt, kind, cell } = source;
    state.waiting = { room: state.room, run, attempt, number: state.parts, bytes: encodeSaid({ kind, cell, said }) };
    return state.waiting;
  }

  return {
    touch(room, source) {
      if (!known.has(source)) known.set(source, { room, parts: 0, waiting: undefined });
      touched.add(source);
      schedule();
    },
    drop(source) {
      known.delete(source);
      touched.delete(source);
    },
    async close() {
      isClosed = true;
      await writing;
      await write();
    },
  };
}

/** Says again what is kept of a stream, as far as it can be read. `damaged` hears of what cannot. */
export function* readKept(
  parts: readonly StreamPart[],
  damaged: (part: StreamPart, error: unknown) => void,
): Generator<{ readonly part: StreamPart } & ReturnType<typeof decodeSaid>> {
  for (const part of parts) {
    try {
      yield { part, ...decodeSaid(part.bytes) };
    } catch (error) {
      damaged(part, error);
      return;
    }
  }
}
