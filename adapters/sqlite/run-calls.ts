import { CotableError } from '../../src/errors.ts';
import type { Refusal } from '../../src/ports/refusal.ts';
import type {
  AttemptName,
  QueuedRun,
  RunCancel,
  RunEnding,
  RunFilter,
  RunName,
  RunRequest,
  RunStorage,
  StoredRun,
  StoredRunStatus,
} from '../../src/ports/run-storage.ts';
import { fromText, toText } from './database.ts';
import type { Cell, Connection, Statement } from './driver.ts';
import { type Named, prepareRunStatements, type RunRow, RUNS } from './run-statements.ts';
import { STATUS } from './run-tables.ts';

/** The calls about runs as they happen inside a transaction of somebody else's. */
export type RunCalls = {
  readonly [M in keyof RunStorage]: (...args: Parameters<RunStorage[M]>) => Awaited<ReturnType<RunStorage[M]>>;
} & {
  /** What a mutation asks of runs. Throws the conflict. */
  readonly askRun: (room: number, request: RunRequest) => void;
  /** A mutation is an attempt's, and ends its run with `ending`. Throws the conflict. */
  readonly attemptWrites: (
    room: number,
    attempt: AttemptName & { readonly ending: RunEnding | undefined; readonly endedAt?: number },
    seq: number,
  ) => void;
};

export function createRunCalls(connection: Connection, roomId: (room: string) => number | undefined): RunCalls {
  const sql = prepareRunStatements(connection);
  const lists = new Map<string, Statement<RunRow>>();

  function roomOf(room: string): number {
    const id = roomId(room);
    if (id === undefined) throw conflict();
    return id;
  }

  function find(room: string, run: string): RunRow | undefined {
    const id = roomId(room);
    return id === undefined ? undefined : sql.run.all(id, toText(run))[0];
  }

  /** The row of an attempt that is present. */
  function present(room: number, { run, attempt }: AttemptName): RunRow {
    const [row] = sql.run.all(room, toText(run));
    if (!row || row.ending !== null || row.owner === null || row.attempt !== attempt) throw conflict();
    return row;
  }

  /** Whether it was queued; not when one of its id stays as it is. */
  function add(room: number, run: QueuedRun): boolean {
    const values = [toText(run.name), toText(run.input), toText(run.userId), run.queuedAt, run.notBefore ?? run.queuedAt];
    const more = [run.expiresAt ?? 0, textOrNull(run.lane), textOrNull(run.once?.digest), textOrNull(run.session)];
    if (sql.add.run(room, toText(run.id), ...values, ...more) > 0) return true;
    if (!run.once) return false;
    const [row] = sql.run.all(room, toText(run.id));
    if (!row || row.ending === null || row.queuedAt >= run.once.keptSince) return false;
    sql.replace.run(...values, ...more, row.position);
    sql.dropSteps.run(row.position);
    return true;
  }

  function cancel(room: number, run: string, now: number, userId: string | undefined): void {
    const [row] = sql.run.all(room, toText(run));
    if (!row || row.ending !== null || row.canceled || (userId !== undefined && fromText(row.userId) !== userId)) return;
    sql.cancel.run(now, row.position);
  }

  function list(filter: RunFilter): { readonly statement: Statement<RunRow>; readonly values: readonly Cell[] } | undefined {
    const wanted: string[] = ['runs.position > ?'];
    const values: Cell[] = [];
    if (filter.room !== undefined) {
      const room = roomId(filter.room);
      if (room === undefined) return undefined;
      wanted.push('runs.room = ?');
      values.push(room);
    }
    for (const column of ['userId', 'name'] as const) {
      const value = filter[column];
      if (value === undefined) continue;
      wanted.push(`runs.${column} = ?`);
      values.push(toText(value));
    }
    if (filter.statuses) {
      if (filter.statuses.every((status) => OPEN.has(status))) wanted.push('runs.ending IS NULL');
      wanted.push(`${STATUS} IN (SELECT value FROM json_each(?))`);
      values.push(JSON.stringify(filter.statuses));
    }
    const text = `${RUNS} WHERE ${wanted.join(' AND ')} ORDER BY runs.position LIMIT ?`;
    let statement = lists.get(text);
    if (!statement) lists.set(text, (statement = connection.prepare<RunRow>(text)));
    return { statement, values };
  }

  return {
    askRun(room, request) {
      if (isCancel(request)) return cancel(room, request.cancel, request.at, request.userId);
      if (!add(room, request) && !request.once) throw conflict();
    },

    attemptWrites(room, attempt, seq) {
      const { position } = present(room, attempt);
      if (attempt.ending) sql.end.run(JSON.stringify(attempt.ending), attempt.endedAt ?? 0, seq, position);
    },

    queueRun(room, run, by) {
      const id = roomOf(room);
      if (by) present(id, by);
      add(id, run);
      return toStored(theOnly(sql.run.all(id, toText(run.id))));
    },

    claimRun(room, run, { owner, now, until, limit, isJoining = false, isAheadOfLine = false }) {
      const row = find(room, run);
      if (!row || row.ending !== null) return { status: 'over' };
      const isCanceled = row.canceled !== 0;
      if (row.owner !== null && row.owner !== toText(owner) && row.leaseUntil > now) return { status: 'later', at: row.leaseUntil };
      if (!isCanceled && row.notBefore > now) return { status: 'later', at: row.notBefore };
      const target = row.joins === null || isCanceled ? undefined : sql.at.all(row.joins)[0];
      if (target && target.ending === null) {
        sql.park.run(1, row.position);
        return { status: 'busy', holders: [toHolder(target, row)] };
      }
      if (limit !== undefined && row.lane !== null && !isCanceled && !target) {
        const holders = sql.holders.all(row.name, row.lane, row.position);
        const place = [row.notBefore, row.notBefore, row.position];
        const ahead = isAheadOfLine ? [] : sql.ahead.all(row.name, row.lane, now, ...place, Math.max(0, limit));
        if (holders.length + ahead.length >= limit) {
          sql.putAside.run(isJoining ? ((holders[0] ?? ahead[0])?.position ?? null) : null, row.position);
          return { status: 'busy', holders: holders.map((holder) => toHolder(holder, row)) };
        }
      }
      sql.claim.run(toText(owner), until, row.owner === null ? 0 : 1, row.position);
      const [claimed] = sql.at.all(row.position);
      const joined = target?.ending == null ? undefined : (JSON.parse(target.ending) as RunEnding);
      return { status: 'claimed', run: toStored(theOnly(claimed && [claimed])), joined };
    },

    renewRuns: (owner, until) => sql.renew.all(until, toText(owner)).map((row) => ({ ...toName(row), attempt: row.attempt })),

    releaseRun(room, attempt, { notBefore, counts, error, untilStart = false }) {
      const { position } = present(roomOf(room), attempt);
      const [tries, interruptions] = [counts === 'try' ? 1 : 0, counts === 'interruption' ? 1 : 0];
      sql.release.run(notBefore, tries, interruptions, error ? JSON.stringify(error) : null, untilStart ? 2 : 0, position);
    },

    parkRun(room, run) {
      const row = find(room, run);
      if (row && row.ending === null && row.owner === null) sql.park.run(2, row.position);
    },

    freeRuns(now, owner) {
      sql.freeLapsed.run(now);
      if (owner === undefined) return;
      sql.freeOwn.run(toText(owner));
      sql.unpark.run();
    },

    dueUsers: (now, after, limit) => {
      const users: string[] = [];
      let last = after === undefined ? null : toText(after);
      while (users.length < limit) {
        const [row] = last === null ? sql.firstUser.all() : sql.nextUser.all(last);
        if (row?.userId == null) break;
        last = row.userId;
        if (sql.dueOfUser.all(last, now, 1).length > 0) users.push(fromText(last));
      }
      return users;
    },

    dueRuns(now, of, limit) {
      const rows =
        'userId' in of ? sql.dueOfUser.all(toText(of.userId), now, limit) : sql.dueOfLane.all(toText(of.name), toText(of.lane), now, limit);
      return rows.map(({ room, id, name, userId }) => {
        return { room: fromText(room), id: fromText(id), name: fromText(name), userId: fromText(userId) };
      });
    },

    nextDue(now, owner) {
      const times = [sql.nextFree.all(now)[0]?.at, sql.nextLapse.all(toText(owner))[0]?.at].filter((at) => at != null);
      return times.length === 0 ? undefined : Math.min(...times);
    },

    hasWork(now, room) {
      if (room === undefined) return sql.work.all(now).length > 0;
      const id = roomId(room);
      return id !== undefined && sql.workOfRoom.all(id, now).length > 0;
    },

    cancelRun(room, run, { userId, now }) {
      const id = roomId(room);
      if (id === undefined) return undefined;
      cancel(id, run, now, userId);
      const row = find(room, run);
      return row && (userId === undefined || fromText(row.userId) === userId) ? toStored(row) : undefined;
    },

    redriveRun(room, run, now) {
      const row = find(room, run);
      if (row && row.ending !== null && row.status !== 'succeeded') sql.redrive.run(now, row.position);
      const after = row && find(room, run);
      return after && toStored(after);
    },

    step(room, run, key) {
      const row = find(room, run);
      const value = row && sql.step.all(row.position, toText(key))[0]?.value;
      return value === undefined ? undefined : fromText(value);
    },

    keepStep(room, attempt, key, value) {
      sql.keepStep.run(present(roomOf(room), attempt).position, toText(key), toText(value));
    },

    run(room, run) {
      const row = find(room, run);
      return row && toStored(row);
    },

    listRuns(filter, after = 0, limit) {
      const found = list(filter);
      const rows = found ? found.statement.all(after, ...found.values, limit) : [];
      return { runs: rows.map(toStored), next: rows.length < limit ? undefined : rows.at(-1)?.position };
    },

    purgeRuns: (endedBefore, limit) => sql.purge.run(endedBefore, limit),
  };
}

const OPEN: ReadonlySet<StoredRunStatus> = new Set<StoredRunStatus>(['queued', 'running', 'waiting']);

function isCancel(request: RunRequest): request is RunCancel {
  return 'cancel' in request;
}

function toName({ room, id }: Named): RunName {
  return { room: fromText(room), run: fromText(id) };
}

function toHolder(holder: Named & { readonly position: number }, { position }: RunRow): RunName & { readonly isNewer: boolean } {
  return { ...toName(holder), isNewer: holder.position > position };
}

function toStored(row: RunRow): StoredRun {
  return {
    room: fromText(row.room),
    id: fromText(row.id),
    name: fromText(row.name),
    input: fromText(row.input),
    userId: fromText(row.userId),
    session: undefinedOrText(row.session),
    queuedAt: row.queuedAt,
    notBefore: row.notBefore,
    expiresAt: row.expiresAt,
    lane: undefinedOrText(row.lane),
    digest: undefinedOrText(row.digest),
    attempt: row.attempt,
    tries: row.tries,
    interruptions: row.interruptions,
    isCanceled: row.canceled !== 0,
    error: row.error === null ? undefined : (JSON.parse(row.error) as Refusal),
    ending: row.ending === null ? undefined : (JSON.parse(row.ending) as RunEnding),
    endedAt: row.endedAt,
    seq: row.seq,
    status: row.status,
  };
}

/** Of what was written just before. */
function theOnly(rows: readonly RunRow[] | undefined): RunRow {
  const row = rows?.[0];
  if (!row) throw conflict();
  return row;
}

function textOrNull(text: string | undefined): string | null {
  return text === undefined ? null : toText(text);
}

function undefinedOrText(text: string | null): string | undefined {
  return text === null ? undefined : fromText(text);
}

function conflict(): CotableError {
  return new CotableError('storage.conflict', {});
}
