import { CotableError } from '../../src/errors.ts';
import type { Refusal } from '../../src/ports/refusal.ts';
import type {
  AttemptName,
  QueuedRun,
  RunEnding,
  RunFilter,
  RunName,
  RunRequest,
  RunStorage,
  StoredRun,
  StoredRunStatus,
} from '../../src/ports/run-storage.ts';

/** The runs of all rooms. */
export interface MemoryRuns {
  /** In the order they were queued, by room and id. */
  readonly all: Map<string, MemoryRun>;
  /** Those of them that have not ended. */
  readonly open: Set<MemoryRun>;
  count: number;
}

interface MemoryRun extends Omit<StoredRun, 'status' | 'digest'> {
  readonly position: number;
  name: string;
  input: string;
  userId: string;
  session: string | undefined;
  queuedAt: number;
  notBefore: number;
  expiresAt: number;
  lane: string | undefined;
  digest: string | undefined;
  attempt: number;
  tries: number;
  interruptions: number;
  isCanceled: boolean;
  parked: 'no' | 'lane' | 'start';
  lease: { readonly owner: string; readonly until: number } | undefined;
  joins: MemoryRun | undefined;
  error: Refusal | undefined;
  ending: RunEnding | undefined;
  endedAt: number;
  seq: number;
  readonly steps: Map<string, string>;
}

/** The calls about runs, each within the call. `hasRoom`: whether a room was ever opened. */
export type MemoryRunCalls = {
  readonly [M in keyof RunStorage]: (...args: Parameters<RunStorage[M]>) => Awaited<ReturnType<RunStorage[M]>>;
} & {
  /** Throws the conflict if these would not do; changes nothing. */
  readonly judge: (room: string, group: readonly Asked[]) => void;
  /** Whether a run has not ended and had no later attempt. */
  readonly isLast: (room: string, attempt: AttemptName) => boolean;
  /** Does what was judged. */
  readonly ask: (room: string, asked: Asked) => void;
};

/** What one mutation asks of runs. */
interface Asked {
  readonly runs: readonly RunRequest[];
  readonly attempt?: AttemptName & { readonly ending: RunEnding | undefined; readonly endedAt?: number };
  readonly seq: number;
}

export function memoryRuns(): MemoryRuns {
  return { all: new Map(), open: new Set(), count: 0 };
}

export function createRunCalls(runs: MemoryRuns, hasRoom: (room: string) => boolean): MemoryRunCalls {
  const find = (room: string, run: string): MemoryRun | undefined => runs.all.get(nameOf(room, run));

  function present(room: string, { run, attempt }: AttemptName): MemoryRun {
    const found = find(room, run);
    if (!found || found.ending || !found.lease || found.attempt !== attempt) throw conflict();
    return found;
  }

  function add(room: string, run: QueuedRun): void {
    const { name, input, userId, session, queuedAt, notBefore = queuedAt, expiresAt = 0, lane, once } = run;
    const asked = { name, input, userId, session, queuedAt, notBefore, expiresAt, lane, digest: once?.digest };
    const found = find(room, run.id);
    if (found) {
      if (!once || !found.ending || found.queuedAt >= once.keptSince) return;
      Object.assign(found, asked, FRESH);
      found.steps.clear();
      runs.open.add(found);
      return;
    }
    const made: MemoryRun = {
      room,
      id: run.id,
      position: ++runs.count,
      ...asked,
      attempt: 0,
      ...FRESH,
      lease: undefined,
      steps: new Map(),
    };
    runs.all.set(nameOf(room, run.id), made);
    runs.open.add(made);
  }

  /** Nobody has it any more: of its lane the next one is looked at again, and when it has ended who waits for that. */
  function free(run: MemoryRun): void {
    const wasLeased = run.lease !== undefined;
    run.lease = undefined;
    if (wasLeased && run.lane !== undefined) {
      const next = ofLane(run).filter((other) => other !== run && other.parked === 'lane' && !other.joins)[0];
      if (next) next.parked = 'no';
    }
    if (!run.ending) return;
    runs.open.delete(run);
    for (const other of runs.open) if (other.joins === run && other.parked === 'lane') other.parked = 'no';
  }

  function ofLane({ name, lane }: { readonly name: string; readonly lane: string | undefined }): MemoryRun[] {
    return [...runs.open].filter((run) => run.name === name && run.lane === lane).sort(byDue);
  }

  function cancel(room: string, run: string, now: number, userId: string | undefined): void {
    const found = find(room, run);
    if (!found || found.ending || found.isCanceled || (userId !== undefined && found.userId !== userId)) return;
    Object.assign(found, { isCanceled: true, notBefore: Math.min(found.notBefore, now), parked: 'no', joins: undefined });
    free(found);
  }

  const due = (now: number): MemoryRun[] =>
    [...runs.open].filter((run) => !run.lease && run.parked === 'no' && run.notBefore <= now).sort(byDue);

  return {
    judge(room, group) {
      const ids = new Set<string>();
      const ended = new Set<string>();
      for (const { runs: asked, attempt } of group) {
        for (const request of asked) {
          if ('cancel' in request || request.once) continue;
          if (ids.has(request.id) || find(room, request.id)) throw conflict();
          ids.add(request.id);
        }
        if (!attempt) continue;
        present(room, attempt);
        if (ended.has(attempt.run)) throw conflict();
        if (attempt.ending) ended.add(attempt.run);
        // A run that is canceled in this group is nobody's from there on.
        for (const request of asked)
          if ('cancel' in request && request.userId === find(room, request.cancel)?.userId) ended.add(request.cancel);
      }
    },

    isLast(room, { run, attempt }) {
      const found = find(room, run);
      return found !== undefined && !found.ending && found.attempt === attempt;
    },

    ask(room, { runs: asked, attempt, seq }) {
      if (attempt?.ending) {
        const run = present(room, attempt);
        Object.assign(run, { ending: structuredClone(attempt.ending), endedAt: attempt.endedAt ?? 0, seq });
        free(run);
      }
      for (const request of asked) {
        if ('cancel' in request) cancel(room, request.cancel, request.at, request.userId);
        else add(room, request);
      }
    },

    queueRun(room, run, by) {
      if (!hasRoom(room)) throw conflict();
      if (by) present(room, by);
      add(room, run);
      return toStored(find(room, run.id) ?? fail());
    },

    claimRun(room, name, { owner, now, until, limit, isJoining = false, isAheadOfLine = false }) {
      const run = find(room, name);
      if (!run || run.ending) return { status: 'over' };
      if (run.lease && run.lease.owner !== owner && run.lease.until > now) return { status: 'later', at: run.lease.until };
      if (!run.isCanceled && run.notBefore > now) return { status: 'later', at: run.notBefore };
      const target = run.isCanceled ? undefined : run.joins;
      if (target && !target.ending) {
        run.parked = 'lane';
        return { status: 'busy', holders: [toHolder(target, run)] };
      }
      if (limit !== undefined && run.lane !== undefined && !run.isCanceled && !target) {
        const lane = ofLane(run);
        const holders = lane.filter((other) => other.lease && !other.isCanceled && other !== run).sort((a, b) => a.position - b.position);
        const ahead = lane.filter((other) => {
          const takesPlace = !other.lease && other.parked !== 'start' && !other.joins && !other.isCanceled;
          return !isAheadOfLine && takesPlace && other.notBefore <= now && byDue(other, run) < 0;
        });
        if (holders.length + ahead.length >= limit) {
          run.parked = 'lane';
          run.joins = isJoining ? (holders[0] ?? ahead[0]) : undefined;
          return { status: 'busy', holders: holders.map((holder) => toHolder(holder, run)) };
        }
      }
      run.attempt += 1;
      if (run.lease) run.interruptions += 1;
      Object.assign(run, { lease: { owner, until }, parked: 'no', joins: undefined });
      return { status: 'claimed', run: toStored(run), joined: structuredClone(target?.ending) };
    },

    renewRuns(owner, until) {
      const held = [...runs.open].filter((run) => run.lease?.owner === owner);
      for (const run of held) run.lease = { owner, until };
      return held.map(({ room, id, attempt }) => ({ room, run: id, attempt }));
    },

    releaseRun(room, attempt, { notBefore, counts, error, untilStart = false }) {
      const run = present(room, attempt);
      if (counts === 'try') run.tries += 1;
      if (counts === 'interruption') run.interruptions += 1;
      Object.assign(run, { notBefore, error: structuredClone(error) ?? run.error, parked: untilStart ? 'start' : 'no' });
      free(run);
    },

    parkRun(room, name) {
      const run = find(room, name);
      if (run && !run.ending && !run.lease) run.parked = 'start';
    },

    freeRuns(now, owner) {
      for (const run of [...runs.open]) {
        if (!run.lease || (run.lease.until > now && run.lease.owner !== owner)) continue;
        run.interruptions += 1;
        free(run);
      }
      if (owner !== undefined) for (const run of runs.open) if (!run.joins) run.parked = 'no';
    },

    dueUsers: (now, after, limit) =>
      [...new Set(due(now).map(({ userId }) => userId))]
        .sort()
        .filter((userId) => after === undefined || userId > after)
        .slice(0, limit),

    dueRuns: (now, of, limit) =>
      due(now)
        .filter((run) => ('userId' in of ? run.userId === of.userId : run.name === of.name && run.lane === of.lane))
        .slice(0, limit)
        .map(({ room, id, name, userId }) => ({ room, id, name, userId })),

    nextDue(now, owner) {
      let next = Infinity;
      for (const { lease, parked, notBefore } of runs.open) {
        if (lease && lease.owner !== owner) next = Math.min(next, lease.until);
        if (!lease && parked === 'no' && notBefore > now) next = Math.min(next, notBefore);
      }
      return next === Infinity ? undefined : next;
    },

    hasWork: (now, room) =>
      [...runs.open].some((run) => {
        const isPressing = run.lease !== undefined || run.notBefore <= now || run.tries + run.interruptions > 0;
        return isPressing && run.parked !== 'start' && (room === undefined || run.room === room);
      }),

    cancelRun(room, name, { userId, now }) {
      cancel(room, name, now, userId);
      const run = find(room, name);
      return run && (userId === undefined || run.userId === userId) ? toStored(run) : undefined;
    },

    redriveRun(room, name, now) {
      const run = find(room, name);
      if (run?.ending && run.ending.status !== 'succeeded') {
        const { error } = run;
        Object.assign(run, FRESH, { notBefore: now, expiresAt: 0, error });
        runs.open.add(run);
      }
      return run && toStored(run);
    },

    step: (room, run, key) => find(room, run)?.steps.get(key),
    keepStep(room, attempt, key, value) {
      present(room, attempt).steps.set(key, value);
    },
    run: (room, name) => {
      const run = find(room, name);
      return run && toStored(run);
    },

    listRuns(filter, after = 0, limit) {
      const found: MemoryRun[] = [];
      for (const run of runs.all.values()) {
        if (run.position <= after || !fits(filter, run)) continue;
        found.push(run);
        if (found.length >= limit) break;
      }
      return { runs: found.map(toStored), next: found.length < limit ? undefined : found.at(-1)?.position };
    },

    purgeRuns(endedBefore, limit) {
      const old = [...runs.all.values()].filter((run) => run.ending && run.endedAt < endedBefore).sort((a, b) => a.endedAt - b.endedAt);
      const gone = old.slice(0, limit);
      for (const run of gone) runs.all.delete(nameOf(run.room, run.id));
      return gone.length;
    },
  };
}

const FRESH = {
  tries: 0,
  interruptions: 0,
  isCanceled: false,
  parked: 'no',
  joins: undefined,
  error: undefined,
  ending: undefined,
  endedAt: 0,
  seq: 0,
} as const;

function fits({ room, name, userId, statuses }: RunFilter, run: MemoryRun): boolean {
  if ((room !== undefined && run.room !== room) || (name !== undefined && run.name !== name)) return false;
  return (userId === undefined || run.userId === userId) && (!statuses || statuses.includes(statusOf(run)));
}

function statusOf({ ending, lease, tries, interruptions }: MemoryRun): StoredRunStatus {
  if (ending) return ending.status;
  if (lease) return 'running';
  return tries + interruptions > 0 ? 'waiting' : 'queued';
}

function toHolder(holder: MemoryRun, { position }: MemoryRun): RunName & { readonly isNewer: boolean } {
  return { room: holder.room, run: holder.id, isNewer: holder.position > position };
}

function toStored(run: MemoryRun): StoredRun {
  const { room, id, name, input, userId, session, queuedAt, notBefore, expiresAt, lane, digest } = run;
  const { attempt, tries, interruptions, isCanceled, error, ending, endedAt, seq } = run;
  const asked = { room, id, name, input, userId, session, queuedAt, notBefore, expiresAt, lane, digest };
  const became = { attempt, tries, interruptions, isCanceled, error, ending, endedAt, seq };
  return { ...asked, ...structuredClone(became), status: statusOf(run) };
}

function byDue(a: MemoryRun, b: MemoryRun): number {
  return a.notBefore - b.notBefore || a.position - b.position;
}

function nameOf(room: string, run: string): string {
  return JSON.stringify([room, run]);
}

function fail(): never {
  throw conflict();
}

function conflict(): CotableError {
  return new CotableError('storage.conflict', {});
}
