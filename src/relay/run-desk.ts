import { CotableError } from '../errors.ts';
import { checkInput } from '../mutation/enqueue.ts';
import type { Clock } from '../ports/clock.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { StoredRun } from '../ports/run-storage.ts';
import type { StreamKind } from '../protocol/stream-frames.ts';
import type { JsonObject } from '../util/json.ts';
import type { Limits } from './limits.ts';
import type { OpenRoom } from './open-room.ts';
import { shapeOf, type AppOf } from './room-app.ts';
import type { Caller, RunRequests } from './runs/requests.ts';
import type { Runner } from './runs/runner.ts';
import type { Addressee } from './stream-source.ts';
import { readStream, type StreamNews } from './stream-reader.ts';

/** A run that a door asks for. The door names it: once more with that name is once more the same run. */
export interface AskedRun {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  /**
   * The idempotency key that the name stands for, as it was given: it may be asked for again for 24 hours, with the same input;
   * later it is a new run. Left out: the name is a random one.
   */
  readonly key?: string | undefined;
  /** It expires when it has not begun by then, in milliseconds since 1970. Left out: never. */
  readonly expiresAt?: number;
}

/** Runs and their streams for doors other than links. Who may do what was found out before. */
export interface RunDesk {
  /**
   * Queues a run, and resolves with it as it is kept: as it stands, when it was there. Rejects with `action.unknown`,
   * `action.invalidInput`, `value.notJson`, `action.idempotencyMismatch`, `run.failed` (its concurrency key threw), or as
   * the storage does.
   */
  ask(asked: AskedRun, caller: Caller): Promise<StoredRun>;
  /** A run as it stands. */
  find(room: string, run: string): Promise<StoredRun | undefined>;
  /** Resolves with a run once it has ended. Rejects with `run.notFound`, `relay.closed`, or the reason of the signal. */
  end(room: string, run: string, signal?: AbortSignal): Promise<StoredRun>;
  /** As {@link Runner.cancel}. */
  cancel: Runner['cancel'];
  /**
   * What a run's stream says to somebody, from a place of one of its attempts on. Ends with `ended`, behind the last piece,
   * once the run has ended and that is kept, or with `gone` when nothing is known of its stream any more. Who takes too long
   * for what there is gets `stream.slowViewer`; nothing is kept for it meanwhile but a part of bounded size. Throws
   * `relay.closed` and `storage.unavailable` when the room leaves memory, and the reason of the signal.
   */
  read(
    stream: { readonly room: string; readonly run: string; readonly kind: StreamKind },
    reader: Addressee,
    from?: { readonly attempt: number; readonly offset: number },
    signal?: AbortSignal,
  ): AsyncIterable<StreamNews>;
  /** Whether anything was ever asked or written in a room. Makes none. */
  isKnown(room: string): Promise<boolean>;
  /**
   * Whether fewer runs than `limit` have not ended. Those that are asked for here are counted; all are, when it is asked for
   * the first time, and once a second while there seem to be too many.
   */
  hasRoom(limit: number): Promise<boolean>;
  /** Runs that have not ended, those queued first before others; at most `limit` of them. */
  unfinished(limit: number, room?: string): Promise<readonly StoredRun[]>;
  /** The rows of a table of a room, as they stand. */
  rows(room: string, table: string): Promise<readonly JsonObject[]>;
  /** A run has ended, and that is kept. */
  ended(run: StoredRun): void;
  close(): void;
}

const COUNT_MS = 1_000;

export function createRunDesk(options: {
  readonly storage: RelayStorage;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'drainMs'>;
  readonly appOf: AppOf;
  readonly requests: RunRequests;
  readonly runner: Pick<Runner, 'queued' | 'cancel'>;
  room(name: string): Promise<OpenRoom>;
  /** A room is needed no longer. */
  released(room: string): void;
}): RunDesk {
  const { storage, clock, limits, requests, runner } = options;
  const waiting = new Map<string, Set<(run: StoredRun | CotableError) => void>>();
  const keyOf = (room: string, run: string): string => JSON.stringify([room, run]);
  /** Those that have not ended, as far as is known. */
  let known = new Set<string>();
  let countedAt = -Infinity;

  async function unfinished(limit: number, room?: string): Promise<readonly StoredRun[]> {
    const statuses = ['queued', 'running', 'waiting'] as const;
    return (await storage.listRuns({ statuses, ...(room !== undefined && { room }) }, undefined, limit)).runs;
  }

  async function within<T>(name: string, work: (place: OpenRoom) => Promise<T>): Promise<T> {
    const place = await options.room(name);
    const release = place.hold();
    try {
      return await work(place);
    } finally {
      release();
      options.released(name);
    }
  }

  return {
    ask({ id, name, input, key, expiresAt = 0 }, caller) {
      const { room } = caller;
      const shape = shapeOf(options.appOf(room), name);
      return within(room, async () => {
        const json = JSON.stringify(checkInput(name, shape, input));
        const made = requests.toRun({ id, name, input: json, key: key === undefined ? '' : id, notBefore: 0, expiresAt }, caller);
        const stored = await storage.queueRun(room, { ...made, id });
        if (stored.digest !== made.once?.digest) throw new CotableError('action.idempotencyMismatch', { name, key: key ?? id });
        if (!stored.ending) known.add(keyOf(room, stored.id));
        runner.queued(stored);
        return stored;
      });
    },
    find: (room, run) => storage.run(room, run),
    cancel: runner.cancel,

    async end(room, run, signal) {
      const key = keyOf(room, run);
      const heard = waiting.get(key) ?? new Set();
      waiting.set(key, heard);
      let done: (result: StoredRun | CotableError) => void = () => undefined;
      const result = new Promise<StoredRun>((resolve, reject) => {
        done = (end) => (end instanceof CotableError ? reject(end) : resolve(end));
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
      result.catch(() => undefined);
      heard.add(done);
      try {
        signal?.throwIfAborted();
        // It may have ended before anybody listened.
        const stored = await storage.run(room, run);
        if (!stored) throw new CotableError('run.notFound', { run });
        return stored.ending ? stored : await result;
      } finally {
        heard.delete(done);
        if (heard.size === 0 && waiting.get(key) === heard) waiting.delete(key);
      }
    },

    async *read({ room, run, kind }, reader, from = { attempt: 0, offset: 0 }, signal) {
      const place = await options.room(room);
      const release = place.hold();
      try {
        yield* readStream({ place, reader, kind, clock, drainMs: limits.drainMs, from: { run, ...from }, signal });
      } finally {
        release();
        options.released(room);
      }
    },

    async isKnown(room) {
      const { runs } = await storage.listRuns({ room }, undefined, 1);
      return runs.length > 0 || (await storage.entries(room, 0, 1)).length > 0;
    },
    unfinished,
    async hasRoom(limit) {
      const now = clock.now();
      if (countedAt === -Infinity || (known.size >= limit && now - countedAt >= COUNT_MS)) {
        countedAt = now;
        known = new Set((await unfinished(limit)).map(({ room, id }) => keyOf(room, id)));
      }
      return known.size < limit;
    },
    rows: (room, table) =>
      within(room, async (place) =>
        place
          .source(table)
          .entries()
          .map(([, row]) => row),
      ),

    ended(run) {
      known.delete(keyOf(run.room, run.id));
      for (const done of waiting.get(keyOf(run.room, run.id)) ?? []) done(run);
    },
    close() {
      for (const heard of waiting.values()) for (const done of heard) done(new CotableError('relay.closed', {}));
    },
  };
}
