import type { Acceptance } from '../ports/relay-storage.ts';
import type { AttemptName, Claim, ClaimTerms, QueuedRun, RunCancel, RunEnding, StoredRun } from '../ports/run-storage.ts';
import type { Kind } from './report.ts';

/** What the relay's disk has done about runs; heard before the relay hears of it. */
export interface RunEvents {
  accepted(group: readonly Acceptance[]): void;
  queued(run: QueuedRun, by: AttemptName | undefined): void;
  claimed(run: string, terms: ClaimTerms, claim: Claim): void;
  renewed(names: readonly AttemptName[], until: number): void;
  released(attempt: AttemptName, counts: 'try' | 'interruption' | undefined): void;
  /** Leases that had lapsed are taken back; with `isStart` all of them. */
  freed(now: number, isStart: boolean): void;
  canceled(run: StoredRun | undefined): void;
  stepKept(attempt: AttemptName): void;
}

/** What must be true of runs at every step. It knows them by what was kept of them, and has no code of what it checks. */
export interface RunLedger extends RunEvents {
  /** The function of an action was called. */
  began(attempt: AttemptName): void;
  /** A store was told that it will run. */
  acknowledged(run: string): void;
  /** A store shows it as ended. */
  shown(run: string, status: RunEnding['status']): void;
  /** Those that have not ended. */
  open(): readonly string[];
  /** When the last of them may begin, by the clock of who asked for it, which may be ahead; 0: at once. */
  due(): number;
}

/** What an action's policy says that can be checked from outside. */
export interface CheckedPolicy {
  readonly isAtMostOnce: boolean;
  readonly concurrency: { readonly limit: number } | undefined;
}

interface Known {
  readonly asked: QueuedRun;
  attempt: number;
  /** Its attempt has it until then. */
  lease: number | undefined;
  /** The function was called in the present attempt. */
  isBegun: boolean;
  begins: number;
  isCanceled: boolean;
  /** It was due too late when it was first claimed. */
  isLate: boolean;
  ending: RunEnding | undefined;
}

export function createRunLedger(options: {
  readonly policy: (action: string) => CheckedPolicy | undefined;
  readonly violated: (what: string) => void;
  readonly count: (kind: Kind) => void;
}): RunLedger {
  const { violated, count } = options;
  const runs = new Map<string, Known>();
  const open = new Set<string>();

  function add(asked: QueuedRun): void {
    if (runs.has(asked.id)) {
      if (!asked.once) return;
      return count('sameRuns');
    }
    count('runs');
    open.add(asked.id);
    runs.set(asked.id, {
      asked,
      attempt: 0,
      lease: undefined,
      isBegun: false,
      begins: 0,
      isCanceled: false,
      isLate: false,
      ending: undefined,
    });
  }

  /** An attempt has written something. */
  function wrote({ run, attempt }: AttemptName, what: string): Known | undefined {
    const known = runs.get(run);
    if (!known) violated(`attempt ${attempt} of ${run}, which was never queued, ${what}`);
    else if (known.ending) violated(`attempt ${attempt} of ${run} ${what} after its end`);
    else if (known.attempt !== attempt) violated(`attempt ${attempt} of ${run} ${what}, and ${known.attempt} is the present one`);
    else if (known.lease === undefined) violated(`attempt ${attempt} of ${run} ${what}, and the run was taken from it`);
    return known;
  }

  function end(known: Known, { run, attempt }: AttemptName, ending: RunEnding): void {
    if (known.isLate && ending.status !== 'expired' && !known.isCanceled)
      violated(`${run} is to begin no more, and attempt ${attempt} ended it as ${ending.status}`);
    if (known.isCanceled && ending.status !== 'canceled') violated(`${run} is to end as canceled, and ended as ${ending.status}`);
    known.ending = ending;
    known.lease = undefined;
    open.delete(run);
    if (ending.status === 'expired') count('expiries');
    if (ending.status === 'failed') count('failures');
    if (ending.status !== 'succeeded' && ending.error.code === 'run.timeout') count('timeouts');
  }

  function cancel(run: string): void {
    const known = runs.get(run);
    if (!known || known.ending || known.isCanceled) return;
    count('cancels');
    known.isCanceled = true;
    known.lease = undefined;
  }

  function ask(request: QueuedRun | RunCancel): void {
    if (!('cancel' in request)) return add(request);
    if (runs.get(request.cancel)?.asked.userId === request.userId) cancel(request.cancel);
  }

  return {
    accepted(group) {
      for (const { attempt, runs: asked } of group) {
        if (attempt) {
          const known = wrote(attempt, 'wrote');
          if (known && attempt.ending) end(known, attempt, attempt.ending);
          else if (known?.isLate) violated(`${attempt.run} is to begin no more, and wrote`);
        }
        asked.forEach(ask);
      }
    },
    queued(run, by) {
      if (by) wrote(by, `asked for ${run.id}`);
      add(run);
    },
    claimed(run, { now, until }, claim) {
      const known = runs.get(run);
      if (claim.status === 'busy') count('busyLanes');
      if (claim.status !== 'claimed') return;
      if (!known) return violated(`${run} was begun, and never queued`);
      if (known.ending) violated(`${run} was begun again after its end`);
      if (claim.run.attempt !== known.attempt + 1) violated(`attempt ${claim.run.attempt} of ${run} came after ${known.attempt}`);
      if (known.lease !== undefined) count('takeovers');
      const { expiresAt = 0 } = known.asked;
      // One that waits for the end of another ends as that one does.
      known.isLate = known.attempt === 0 && expiresAt > 0 && expiresAt <= now && !claim.joined;
      Object.assign(known, { attempt: claim.run.attempt, lease: until, isBegun: false });
    },
    renewed(names, until) {
      for (const { run, attempt } of names) {
        const known = runs.get(run);
        if (known?.attempt === attempt && known.lease !== undefined) known.lease = until;
        else violated(`the lease of attempt ${attempt} of ${run} was renewed, which has none`);
      }
    },
    released(attempt, counts) {
      const known = wrote(attempt, 'gave back its run');
      if (known) known.lease = undefined;
      if (counts === 'try') count('retries');
    },
    freed(now, isStart) {
      for (const id of open) {
        const known = runs.get(id);
        if (known?.lease === undefined || (known.lease > now && !isStart)) continue;
        count('takeovers');
        known.lease = undefined;
      }
    },
    canceled(stored) {
      if (stored?.isCanceled) cancel(stored.id);
    },
    stepKept(attempt) {
      count('keptSteps');
      wrote(attempt, 'kept a step');
    },

    began({ run, attempt }) {
      count('attempts');
      const known = runs.get(run);
      if (!known) return violated(`${run} is at work, and is not kept`);
      if (known.isLate) violated(`${run} is at work, though it was to begin no more`);
      if (known.ending || known.isCanceled) violated(`${run} is at work, though it has ended or is to`);
      // Taken away between the claim and this moment: it can write nothing.
      if (known.attempt !== attempt || known.lease === undefined) return;
      known.isBegun = true;
      known.begins += 1;
      const { name, lane } = known.asked;
      const policy = options.policy(name);
      if (policy?.isAtMostOnce && known.begins > 1) violated(`${run} is at most once, and began ${known.begins} times`);
      if (!policy?.concurrency) return;
      const beside = [...open]
        .flatMap((id) => runs.get(id) ?? [])
        .filter((other) => other.asked.name === name && other.asked.lane === lane);
      const atWork = beside.filter(({ lease, isBegun }) => lease !== undefined && isBegun);
      if (atWork.length > policy.concurrency.limit)
        violated(`${atWork.length} of ${name} are at work in the lane '${lane}': ${atWork.map(({ asked }) => asked.id).join(', ')}`);
    },
    acknowledged(run) {
      if (!runs.has(run)) violated(`${run} was acknowledged, and is not kept`);
    },
    shown(run, status) {
      const known = runs.get(run);
      // A store ends by itself what has not left it, which by its key may have been asked for elsewhere too.
      const isOwn = status !== 'succeeded' && (!known || known.asked.once !== undefined);
      if (known?.ending?.status !== status && !isOwn)
        violated(`${run} is shown as ${status}, and is ${known?.ending?.status ?? 'under way'}`);
    },
    due: () => Math.max(0, ...[...open].map((run) => runs.get(run)?.asked.notBefore ?? 0)),
    open: () => [...open],
  };
}
