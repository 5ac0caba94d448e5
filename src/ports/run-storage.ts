import type { Refusal } from './refusal.ts';

/** A run that is asked for. Times are milliseconds since 1970, here and everywhere below. */
export interface QueuedRun {
  /** Its name in its room for ever. */
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly input: string;
  readonly userId: string;
  /** What the session of who asked said besides the user, as of then: JSON text. Left out: nothing. */
  readonly session?: string;
  readonly queuedAt: number;
  /** When it is due. Left out: at `queuedAt`. */
  readonly notBefore?: number;
  /** It expires when it has not begun by then. Left out, or 0: never. */
  readonly expiresAt?: number;
  /** The runs of one action and one lane, of all rooms, share that action's concurrency limit. Left out: no lane. */
  readonly lane?: string;
  /**
   * Of a run that is named by an idempotency key, and so may be asked for again: what its input comes to. One of its id
   * that is there stays as it is, unless it has ended and was queued before `keptSince`: then this one takes its place,
   * its attempts counting on.
   */
  readonly once?: { readonly digest: string; readonly keptSince: number };
}

/** A cancel that a mutation asks for, of a run of this user's. */
export interface RunCancel {
  readonly cancel: string;
  readonly userId: string;
  /** When. */
  readonly at: number;
}

/** What a mutation asks of runs; done in their order. */
export type RunRequest = QueuedRun | RunCancel;

/** How a run ended. `output` is JSON text. */
export type RunEnding =
  | { readonly status: 'succeeded'; readonly output: string }
  | { readonly status: 'failed' | 'canceled' | 'expired'; readonly error: Refusal };

/**
 * - `queued`: not begun, or begun anew after a redrive or an orderly shutdown.
 * - `running`: an attempt is at work, or was when its relay was last heard of.
 * - `waiting`: between two attempts.
 */
export type StoredRunStatus = 'queued' | 'running' | 'waiting' | RunEnding['status'];

/** A run as it stands on disk. */
export interface StoredRun extends Omit<QueuedRun, 'once' | 'lane' | 'session'> {
  readonly room: string;
  readonly status: StoredRunStatus;
  readonly session: string | undefined;
  readonly notBefore: number;
  /** 0: never. */
  readonly expiresAt: number;
  readonly lane: string | undefined;
  /** Of the input of a run with an idempotency key. */
  readonly digest: string | undefined;
  /** How often it was claimed: the fence. It never goes back. */
  readonly attempt: number;
  /** Attempts that failed and count against what the action's policy allows. */
  readonly tries: number;
  /** Attempts that were cut off: their relay stopped, or could not keep what they wrote. */
  readonly interruptions: number;
  /** It is to end as canceled. */
  readonly isCanceled: boolean;
  /** Why the last attempt that failed did. */
  readonly error: Refusal | undefined;
  readonly ending: RunEnding | undefined;
  /** When it ended, 0 before. */
  readonly endedAt: number;
  /** The entry of its room that settled it, 0 before. */
  readonly seq: number;
}

/** A run among those of all rooms. */
export interface RunName {
  readonly room: string;
  readonly run: string;
}

/** One attempt of a run of a room that is known. */
export interface AttemptName {
  readonly run: string;
  readonly attempt: number;
}

/** What is needed to choose which run is begun next. */
export interface DueRun {
  readonly room: string;
  readonly id: string;
  readonly name: string;
  readonly userId: string;
}

/** Who claims, and what must hold. */
export interface ClaimTerms {
  readonly owner: string;
  readonly now: number;
  /** When the lease ends unless it is renewed. */
  readonly until: number;
  /** How many runs of its action and lane may be at work at once. Left out, or a run without lane: any number. */
  readonly limit?: number;
  /** Where it would be one too many: whether it waits for the end of one that is in its way, to end as that does. */
  readonly isJoining?: boolean;
  /** Whether it does not stand in line behind those of its lane that are due before it. */
  readonly isAheadOfLine?: boolean;
}

export type Claim =
  /** It is the caller's. `joined`: how the run ended that this one was waiting for. */
  | { readonly status: 'claimed'; readonly run: StoredRun; readonly joined: RunEnding | undefined }
  /** It has ended, or is not there. */
  | { readonly status: 'over' }
  /** It is not due, or another relay has it, until then at least. */
  | { readonly status: 'later'; readonly at: number }
  /**
   * It would be one too many of its lane: `holders` are at work, `isNewer` those that were queued after it. It is put aside
   * until one of the lane is at work no more.
   */
  | { readonly status: 'busy'; readonly holders: readonly (RunName & { readonly isNewer: boolean })[] };

/** Which runs; what is left out is any. */
export interface RunFilter {
  readonly room?: string;
  readonly name?: string;
  readonly userId?: string;
  readonly statuses?: readonly StoredRunStatus[];
}

/**
 * Where a relay keeps runs: a part of `RelayStorage`, whose rules for all calls hold here. Each call is one transaction.
 *
 * An attempt is **present** while its run has not ended, its number is the run's, and the run is leased. Whatever an
 * attempt writes is refused with `storage.conflict` when it is not present. A run is **free** when it has not ended and
 * nobody has it; a free run whose time has come, and that is not put aside, is **due**. Due runs are ordered by
 * `notBefore`, those of one time as they were queued.
 */
export interface RunStorage {
  /**
   * Queues a run that no mutation asked for, and answers how it stands. One whose id is there stays as it is (but see
   * {@link QueuedRun.once}). Rejects with `storage.conflict` when the room was never opened, or `by` is not present.
   */
  queueRun(room: string, run: QueuedRun, by?: AttemptName): Promise<StoredRun>;
  /**
   * Begins the next attempt of a run and leases it. A run that is canceled is taken whatever its time and limit. When the
   * run was leased, by the caller or by another whose lease has lapsed, that counts as an interruption. The limit is
   * exact: leases that lapsed count until they are taken back, those of canceled runs do not, and those of the lane that
   * are due before this one go first.
   */
  claimRun(room: string, run: string, terms: ClaimTerms): Promise<Claim>;
  /** Extends the leases of all that `owner` has, and answers which those are. */
  renewRuns(owner: string, until: number): Promise<readonly (RunName & AttemptName)[]>;
  /**
   * Gives a run back, to be claimed again from `notBefore` on. `counts`: what the attempt counts as. With `untilStart` it
   * is put aside until `freeRuns` is called with an owner. Rejects with `storage.conflict` when the attempt is not present.
   */
  releaseRun(
    room: string,
    attempt: AttemptName,
    release: {
      readonly notBefore: number;
      readonly counts?: 'try' | 'interruption';
      readonly error?: Refusal;
      readonly untilStart?: boolean;
    },
  ): Promise<void>;
  /** Puts a free run aside until `freeRuns` is called with an owner; others are left alone. */
  parkRun(room: string, run: string): Promise<void>;
  /**
   * Takes back, as interruptions, the runs whose lease has lapsed. With an owner, as at the start of a relay: those that
   * it has too, and nothing is put aside any more but runs that wait for another one's end.
   */
  freeRuns(now: number, owner?: string): Promise<void>;
  /** Users with a due run, in some lasting order, behind `after` (of the beginning: `undefined`), at most `limit` of them. */
  dueUsers(now: number, after: string | undefined, limit: number): Promise<readonly string[]>;
  /** The first due runs of a user or of a lane, at most `limit` of them. */
  dueRuns(
    now: number,
    of: { readonly userId: string } | { readonly name: string; readonly lane: string },
    limit: number,
  ): Promise<readonly DueRun[]>;
  /** When something is due next: a free run, or one whose lease, of another than `owner`, lapses. After `now`. */
  nextDue(now: number, owner: string): Promise<number | undefined>;
  /**
   * Whether a run, of one room or of all, is leased, due (put aside because of its lane too) or between attempts. One
   * that is put aside until a start is not.
   */
  hasWork(now: number, room?: string): Promise<boolean>;
  /**
   * Marks a run to end as canceled, takes it from who has it, and makes it due; one that is marked stays as it is, with who
   * may be ending it. Answers how it stands, unchanged when it has ended; `undefined`: it is not there, or not of `userId`.
   */
  cancelRun(room: string, run: string, cancel: { readonly userId?: string; readonly now: number }): Promise<StoredRun | undefined>;
  /**
   * Queues a run again that failed, expired or was canceled: due now, with no tries and no interruptions counted; its
   * attempts count on, and its steps stay. Answers how it stands, unchanged in any other state; `undefined`: not there.
   */
  redriveRun(room: string, run: string, now: number): Promise<StoredRun | undefined>;
  /** What a step of a run gave, as JSON text; `undefined`: none is kept under that key. */
  step(room: string, run: string, key: string): Promise<string | undefined>;
  /** Keeps what a step gave, for as long as the run is kept. Rejects with `storage.conflict` when the attempt is not present. */
  keepStep(room: string, attempt: AttemptName, key: string, value: string): Promise<void>;
  /** A run as it stands; `undefined`: not there. */
  run(room: string, run: string): Promise<StoredRun | undefined>;
  /** Runs in the order they were queued first, at most `limit` of them, behind the one that `after` was told with. */
  listRuns(
    filter: RunFilter,
    after: number | undefined,
    limit: number,
  ): Promise<{ readonly runs: readonly StoredRun[]; readonly next: number | undefined }>;
  /** Deletes runs that ended before, with their steps, at most `limit` of them. How many were deleted. */
  purgeRuns(endedBefore: number, limit: number): Promise<number>;
}
