import type { Clock } from '../../ports/clock.ts';
import type { Refusal } from '../../ports/refusal.ts';
import type { RunFilter, RunStorage, StoredRun, StoredRunStatus } from '../../ports/run-storage.ts';
import type { AppOf } from '../room-app.ts';
import type { Runner } from './runner.ts';

/** A run as it stands. Times are milliseconds since 1970, 0 for what has not happened. */
export interface Run {
  /** Together with the room its name for ever. */
  readonly id: string;
  readonly room: string;
  readonly name: string;
  readonly input: unknown;
  readonly userId: string;
  readonly status: StoredRunStatus;
  /** How often it was begun. */
  readonly attempt: number;
  readonly queuedAt: number;
  /** It is not begun before. */
  readonly notBefore: number;
  readonly endedAt: number;
  /** What it gave; `undefined` unless it has succeeded. */
  readonly output: unknown;
  /**
   * Why it ended otherwise; why its last attempt failed, while it waits for the next; `action.missingHandler` while it is
   * queued and this backend has no function for it.
   */
  readonly error: Refusal | undefined;
}

/** The runs of all rooms. */
export interface RunAdmin {
  /** Runs in the order they were queued, those that fit all that is given. Read in pages: what changes meanwhile may be missed. */
  list(filter?: {
    readonly room?: string;
    readonly name?: string;
    readonly userId?: string;
    readonly status?: StoredRunStatus | readonly StoredRunStatus[];
  }): AsyncIterable<Run>;
  /**
   * Queues a run again that failed, expired or was canceled; its retries begin anew, its attempts count on, and `onSettled`
   * is called for this end too. One that has not ended stays as it is. Rejects with `run.notFound` or `run.terminal`.
   */
  redrive(run: { readonly room: string; readonly id: string }): Promise<void>;
  /**
   * Cancels a run: once this resolves it can write nothing more and will end as canceled. Rejects with `run.notFound` or
   * `run.terminal`.
   */
  cancel(run: { readonly room: string; readonly id: string }): Promise<void>;
  /** Forgets runs that ended longer ago than this, with what their steps gave. How many those were. */
  purge(options: { readonly olderThanMs: number }): Promise<number>;
}

const PAGE = 100;

export function createRunAdmin(storage: RunStorage, clock: Clock, appOf: AppOf, runner: Runner): RunAdmin {
  return {
    async *list({ status, ...filter } = {}) {
      const statuses = typeof status === 'string' ? [status] : status;
      const wanted: RunFilter = { ...filter, ...(statuses && { statuses }) };
      let after: number | undefined;
      do {
        const { runs, next } = await storage.listRuns(wanted, after, PAGE);
        for (const run of runs) yield toRun(run, Object.hasOwn(appOf(run.room).actions, run.name));
        after = next;
      } while (after !== undefined);
    },
    async redrive({ room, id }) {
      await runner.redrive(room, id);
    },
    async cancel({ room, id }) {
      await runner.cancel(room, id);
    },
    async purge({ olderThanMs }) {
      const before = clock.now() - olderThanMs;
      let purged = 0;
      for (let count = PAGE; count === PAGE; purged += count) count = await storage.purgeRuns(before, PAGE);
      return purged;
    },
  };
}

function toRun(
  { id, room, name, input, userId, status, attempt, queuedAt, notBefore, endedAt, ending, error }: StoredRun,
  isKnown: boolean,
): Run {
  const missing: Refusal | undefined = ending || isKnown ? undefined : { code: 'action.missingHandler', params: { name } };
  return {
    id,
    room,
    name,
    input: JSON.parse(input) as unknown,
    userId,
    status,
    attempt,
    queuedAt,
    notBefore,
    endedAt,
    output: ending?.status === 'succeeded' ? (JSON.parse(ending.output) as unknown) : undefined,
    error: ending ? (ending.status === 'succeeded' ? undefined : ending.error) : (missing ?? error),
  };
}
