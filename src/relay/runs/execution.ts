import { CotableError, isCotableError } from '../../errors.ts';
import type { Random } from '../../ports/clock.ts';
import type { Claim, DueRun, RunEnding, RunStorage, StoredRun } from '../../ports/run-storage.ts';
import type { ActionShapes } from '../../schema/schema.ts';
import type { JsonValue } from '../../util/json.ts';
import type { Limits } from '../limits.ts';
import { shapeOf, type AppOf } from '../room-app.ts';
import { isLasting } from '../load-room.ts';
import { createAttempt, type Attempt, type AttemptParts } from './attempt.ts';
import type { Dispatcher } from './dispatcher.ts';
import { canceled, failure, refusalOf } from './ending.ts';
import { LEASE_MS, type Leased, type Leases } from './leases.ts';
import type { Policies, Policy } from './policy.ts';
import { isRetryable, retryDelay } from './retry.ts';
import type { RunRoom } from './run-room.ts';

export interface RunnerOptions extends Omit<AttemptParts, 'queued' | 'schema'> {
  readonly appOf: AppOf;
  /** Actions that the clock asks for. */
  readonly schedules: Policies;
  readonly random: Random;
  readonly limits: Pick<Limits, 'runs' | 'runsPerUser'>;
  /** Loads a room; rejects while the relay closes. */
  room(name: string): Promise<RunRoom>;
  /** A run needs its room no longer. */
  released(room: string): void;
  /** How a run stands has changed, and that is kept. `isNew`: it was queued. */
  changed(run: StoredRun, isNew: boolean): void;
}

/** After a failure of the storage. */
export const AGAIN_MS = 1_000;
/** A run that takes its relay down with it must not do so for ever. */
const MAX_INTERRUPTIONS = 10;
/** So long the end of a run waits for a hook. */
const HOOK_MS = 10_000;
/** How often the end of a run is tried to be kept before the attempt is given up. */
const SETTLE_TRIES = 5;
/** Of a lane whose runs may go on. */
const LANE_PAGE = 64;

/** A run that this relay is busy with. */
export interface Busy {
  readonly due: DueRun;
  abort: AbortController;
  place: RunRoom | undefined;
  attempt: Attempt | undefined;
  /** It was claimed to be ended as canceled: another cancel changes nothing. */
  isCanceled: boolean;
  /** Whether it is to be canceled is being decided. */
  canceling: Promise<unknown> | undefined;
  /** What it said before it was canceled. */
  said: JsonValue | undefined;
}

/** What surrounds the runs that are executed. */
export interface Surroundings {
  readonly owner: string;
  readonly leases: Leases;
  readonly dispatcher: Pick<Dispatcher, 'add' | 'look' | 'wakeAt'>;
  /** Begins no more runs. */
  readonly isClosing: () => boolean;
  /** And those at work have been told to stop. */
  readonly isClosed: () => boolean;
  /** Resolves after that time, or when the relay closes. */
  pause(ms: number): Promise<void>;
  /** The storage has failed. */
  failed(error: unknown): void;
  /** A run was queued. */
  announce(run: StoredRun): void;
  cancel(room: string, run: string): Promise<unknown>;
  /** While it is being kept that a run is canceled: resolves once that is known. */
  decided(due: DueRun): Promise<void> | undefined;
}

/**
 * Sees a due run through to the end of one attempt, or to why there is none. Rejects when not even that can be found out: the
 * storage fails.
 */
export function createExecution(options: RunnerOptions, around: Surroundings): (entry: Busy) => Promise<void> {
  const { appOf, storage, clock, random, logger } = options;
  const { owner, leases, dispatcher, isClosing, isClosed, pause, failed, announce, cancel, decided } = around;

  return execute;

  function policyOf({ room, name }: Pick<DueRun, 'room' | 'name'>): {
    readonly policy: Policy | undefined;
    readonly shape: ActionShapes[string] | undefined;
  } {
    const app = appOf(room);
    const policy = Object.hasOwn(app.actions, name) ? app.actions[name] : undefined;
    return { policy, shape: shapeOf(app, name) };
  }

  function claim(due: DueRun, isLimited: boolean): Promise<Claim> {
    const { room, id } = due;
    const concurrency = policyOf(due).policy?.concurrency;
    const now = clock.now();
    const terms = { owner, now, until: now + LEASE_MS };
    if (!concurrency || !isLimited) return storage.claimRun(room, id, terms);
    const { limit, strategy } = concurrency;
    return storage.claimRun(room, id, {
      ...terms,
      limit,
      isJoining: strategy === 'join',
      isAheadOfLine: strategy === 'restart',
    });
  }

  async function execute(entry: Busy): Promise<void> {
    const { due } = entry;
    for (let deciding = decided(due); deciding; deciding = decided(due)) await deciding;
    entry.abort = new AbortController();
    entry.isCanceled = false;
    const { policy, shape } = policyOf(due);
    if ((!policy || !shape) && !(await storage.run(due.room, due.id))?.isCanceled) {
      logger.error({ room: due.room, run: due.id, action: due.name }, 'no function for this action: the run stays queued');
      return storage.parkRun(due.room, due.id);
    }
    const taken = await claim(due, true);
    switch (taken.status) {
      case 'over':
        return;
      case 'later':
        return dispatcher.wakeAt(taken.at);
      case 'busy':
        return meet(entry, policy, taken.holders);
      case 'claimed':
        entry.isCanceled = taken.run.isCanceled;
        return work(entry, taken.run, ended(taken.run, policy, taken.joined));
    }
  }

  /** It would be one too many: what its policy says. */
  async function meet(entry: Busy, policy: Policy | undefined, holders: (Claim & { readonly status: 'busy' })['holders']): Promise<void> {
    const { due } = entry;
    const { strategy = 'queue', limit = 1 } = policy?.concurrency ?? {};
    let ending: RunEnding;
    if (strategy === 'reject') ending = failure(due.name, new CotableError('action.concurrencyRejected', { name: due.name, limit }));
    else if (strategy !== 'restart') return;
    else if (holders.some(({ isNewer }) => isNewer)) ending = canceled();
    else {
      await Promise.all(holders.map(({ room, run }) => cancel(room, run).catch(unlessOver)));
      // Those are not counted any more; who came meanwhile is newer, and cancels this one.
      return execute(entry);
    }
    const taken = await claim(due, false);
    if (taken.status === 'claimed') await work(entry, taken.run, ended(taken.run, policy, taken.joined) ?? ending);
  }

  /** How a run ends that is not to be begun. */
  function ended(run: StoredRun, policy: Policy | undefined, joined: RunEnding | undefined): RunEnding | undefined {
    const { name, tries, interruptions } = run;
    const cutOff = (reason: string): RunEnding => failure(name, new CotableError('run.failed', { name, reason }));
    if (run.isCanceled || !policy) return canceled();
    if (joined) return joined;
    if (run.attempt === 1 && run.expiresAt > 0 && run.expiresAt <= clock.now()) {
      return { status: 'expired', error: { code: 'run.expired', params: { name } } };
    }
    if (policy.isAtMostOnce && tries + interruptions > 0) return cutOff('its attempt was cut off, and there is but one');
    if (interruptions >= MAX_INTERRUPTIONS) return cutOff(`it was cut off ${interruptions} times`);
    return undefined;
  }

  /** From the claim on the run is this relay's: it ends, or is given back. */
  async function work(entry: Busy, run: StoredRun, ending: RunEnding | undefined): Promise<void> {
    const { abort } = entry;
    const leased: Leased = {
      room: run.room,
      run: run.id,
      attempt: run.attempt,
      lost: () => abort.abort(new CotableError('run.fenced', {})),
    };
    let release = (): void => undefined;
    leases.add(leased);
    try {
      const place = await options.room(run.room);
      release = place.hold();
      entry.place = place;
      const attempt = createAttempt({ ...options, schema: appOf(run.room).schema, queued: announce }, run, place, policyOf(run), abort);
      entry.attempt = attempt;
      // What was said before a crash is in the short log.
      if (ending) return await settle(entry, run, ending, entry.said ?? attempt.said);
      options.changed(run, false);
      const result = await attempt.work();
      if (result.error !== undefined && (await retried(entry, run, result.error))) return;
      await settle(entry, run, result.ending, attempt.said);
    } catch (error) {
      if (abort.signal.aborted) await aborted(entry, run);
      else await giveBack(entry, run, error);
    } finally {
      release();
      leases.delete(leased);
      entry.place = undefined;
      entry.attempt = undefined;
      if (run.lane !== undefined && !isClosing()) await goOn(run.name, run.lane);
    }
  }

  /**
   * What the attempt has written and nobody waits for any more is kept first: behind this it would be refused, and with it
   * all that others wrote into the same group.
   */
  async function handBack({ place }: Busy, run: StoredRun, how: Parameters<RunStorage['releaseRun']>[2]): Promise<void> {
    await place?.settled().catch(() => undefined);
    await storage.releaseRun(run.room, { run: run.id, attempt: run.attempt }, how);
  }

  /** Whether another attempt will be made after an error. */
  async function retried(entry: Busy, run: StoredRun, error: unknown): Promise<boolean> {
    const { policy } = policyOf(run);
    if (!policy || policy.isAtMostOnce || !isRetryable(error) || run.tries + 1 >= policy.retry.attempts) return false;
    const notBefore = clock.now() + retryDelay(policy.retry, run.tries + 1, error, random);
    const reason = refusalOf(run.name, error);
    await handBack(entry, run, { notBefore, counts: 'try', error: reason });
    options.changed({ ...run, status: 'waiting', notBefore, tries: run.tries + 1, error: reason }, false);
    dispatcher.wakeAt(notBefore);
    return true;
  }

  async function settle(entry: Busy, run: StoredRun, ending: RunEnding, said: JsonValue | undefined): Promise<void> {
    // Another cancel came before it was known that it is being ended: it begins again.
    if (entry.abort.signal.aborted) throw entry.abort.signal.reason;
    try {
      const hook = policyOf(run).policy?.onEnding?.(run, ending);
      // One that never answers must not keep the run from its end, nor the relay from its own.
      if (hook) await Promise.race([hook, pause(HOOK_MS)]);
    } catch (error) {
      logger.error({ room: run.room, run: run.id, action: run.name, error }, 'a hook on the end of a run failed');
    }
    for (let tries = 1; ; tries++) {
      try {
        const place = await options.room(run.room);
        const settled = await entry.attempt?.settle(place, ending, said);
        if (settled) options.changed(settled, false);
        return;
      } catch (error) {
        if (entry.abort.signal.aborted || isClosed() || isLasting(error) || tries >= SETTLE_TRIES) throw error;
        logger.error({ room: run.room, run: run.id, action: run.name, error }, 'the end of a run could not be kept');
        await pause(AGAIN_MS);
        const stored = await storage.run(run.room, run.id);
        if (stored?.ending) return options.changed(stored, false);
        if (stored?.attempt !== run.attempt || stored.status !== 'running') {
          entry.abort.abort(new CotableError('run.fenced', {}));
          throw error;
        }
      }
    }
  }

  async function aborted(entry: Busy, run: StoredRun): Promise<void> {
    const { reason } = entry.abort.signal as { readonly reason: unknown };
    if (isCotableError(reason, 'run.canceled')) {
      entry.said = entry.attempt?.said;
      await entry.canceling;
      // Now it is canceled, or begun again when that could not be kept.
      return execute(entry);
    }
    // The next start has it end: there is no second attempt to give it back for.
    if (!isCotableError(reason, 'relay.closed') || policyOf(run).policy?.isAtMostOnce) return;
    await handBack(entry, run, { notBefore: run.notBefore }).catch(unlessOver);
  }

  /** The room or the disk failed. */
  async function giveBack(entry: Busy, run: StoredRun, error: unknown): Promise<void> {
    const place = { room: run.room, run: run.id, action: run.name, error };
    const untilStart = isLasting(error);
    // Nothing of it was done when the relay was about to close.
    const counts = untilStart || isCotableError(error, 'relay.closed') ? undefined : ('interruption' as const);
    logger.error(place, untilStart ? 'the run stays queued' : 'an attempt could not go on');
    for (;;) {
      try {
        const notBefore = clock.now() + AGAIN_MS;
        await handBack(entry, run, { notBefore, ...(counts && { counts }), untilStart });
        options.changed({ ...run, status: 'waiting', notBefore }, false);
        if (!untilStart) dispatcher.wakeAt(notBefore);
        return;
      } catch (problem) {
        if (isCotableError(problem, 'storage.conflict')) {
          // It was done, and only that was not heard.
          const stored = await storage.run(run.room, run.id);
          if (stored && stored.attempt === run.attempt) options.changed(stored, false);
          return dispatcher.look();
        }
        if (isClosed()) throw problem;
        failed(problem);
        await pause(AGAIN_MS);
      }
    }
  }

  /** One of a lane is at work no more. */
  async function goOn(name: string, lane: string): Promise<void> {
    try {
      const now = clock.now();
      const due = await storage.dueRuns(now, { name, lane }, LANE_PAGE);
      for (const run of due) dispatcher.add(run);
      // One that was put aside when it was due may not be any more, by a clock that was set back or another relay's.
      const next = due.length === 0 ? await storage.nextDue(now, owner) : undefined;
      if (next !== undefined) dispatcher.wakeAt(next);
    } catch (error) {
      failed(error);
      dispatcher.look();
    }
  }
}

/** Another was first, or it has ended meanwhile. */
function unlessOver(error: unknown): void {
  const isOver = ['run.notFound', 'run.terminal', 'storage.conflict'].some((code) => isCotableError(error, code));
  if (!isOver) throw error;
}
