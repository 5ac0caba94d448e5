import type { Clock } from '../../ports/clock.ts';
import type { DueRun, RunStorage } from '../../ports/run-storage.ts';
import type { Limits } from '../limits.ts';
import { MAX_WAIT_MS } from './cron.ts';

/** Of one user so many runs are held here; the others wait on disk. */
const PER_USER = 64;
/** Of so many users. */
const USERS = 1_000;
/** After a failure of the storage. */
const AGAIN_MS = 1_000;

/**
 * Chooses what is begun next: as many at once as the limits let, users in turn, of each user what was queued first. It
 * hears of runs as they are queued and reads further ones, in pages, as it gets to them: never more than it holds.
 */
export interface Dispatcher {
  /** Begins runs from now on; before, nothing is. */
  open(): void;
  /** A run is due. With `isUrgent` it is begun now, whatever the limits. */
  add(run: DueRun, isUrgent?: boolean): void;
  /** Runs may be due that nobody told of. */
  look(): void;
  /** Something will be due then. */
  wakeAt(time: number): void;
  /** Begins nothing more. */
  close(): void;
}

/** What is known of the due runs of one user. */
interface Line {
  readonly waiting: DueRun[];
  active: number;
  /** Whether there may be more on disk. */
  isMore: boolean;
  isReading: boolean;
}

export function createDispatcher(options: {
  readonly storage: RunStorage;
  readonly clock: Clock;
  readonly owner: string;
  readonly limits: Pick<Limits, 'runs' | 'runsPerUser'>;
  /** Does what is to be done for a run; never rejects. */
  readonly begin: (run: DueRun) => Promise<void>;
  readonly failed: (error: unknown) => void;
  /** Something has changed: a run is done with, or what is due was looked for. */
  readonly changed: () => void;
}): Dispatcher {
  const { storage, clock, owner, limits } = options;
  /** In the order in which they get a turn. */
  const lines = new Map<string, Line>();
  /** Runs in lines, and those at work with what came for them meanwhile. */
  const waiting = new Set<string>();
  const active = new Map<string, { next: DueRun | undefined; isUrgent: boolean }>();
  let timer: { readonly at: number; readonly cancel: () => void } | undefined;
  let retry: (() => void) | undefined;
  let isLooking = false;
  let mustLook = false;
  /** Users behind this one were not looked for yet; `null`: all were. */
  let behind: string | undefined | null = null;
  let isOpen = false;
  let isClosed = false;

  function lineOf(userId: string): Line | undefined {
    let line = lines.get(userId);
    if (line) return line;
    if (lines.size >= USERS) return undefined;
    line = { waiting: [], active: 0, isMore: false, isReading: false };
    lines.set(userId, line);
    return line;
  }

  function add(run: DueRun, isUrgent = false): void {
    // Before, all is on disk, and looked for later.
    if (!isOpen) return;
    const key = keyOf(run);
    const present = active.get(key);
    if (present) {
      present.next = run;
      present.isUrgent ||= isUrgent;
      return;
    }
    if (isUrgent) return start(run);
    if (waiting.has(key)) return;
    const line = lineOf(run.userId);
    if (!line) {
      behind = undefined;
      return;
    }
    // What is on disk was queued before it.
    if (line.isMore || line.isReading || line.waiting.length >= PER_USER) line.isMore = true;
    else {
      line.waiting.push(run);
      waiting.add(key);
    }
    pump();
  }

  function start(run: DueRun): void {
    const key = keyOf(run);
    const line = lines.get(run.userId);
    if (waiting.delete(key) && line) {
      const at = line.waiting.findIndex((other) => keyOf(other) === key);
      if (at >= 0) line.waiting.splice(at, 1);
    }
    active.set(key, { next: undefined, isUrgent: false });
    if (line) line.active += 1;
    void options.begin(run).then(() => {
      const after = active.get(key);
      active.delete(key);
      if (line) line.active -= 1;
      if (after?.next) add(after.next, after.isUrgent);
      pump();
      options.changed();
    });
  }

  function pump(): void {
    if (!isOpen) return;
    for (const [userId, line] of lines) {
      if (line.waiting.length === 0 && line.isMore && !line.isReading && line.active < limits.runsPerUser) void refill(userId, line);
      if (line.waiting.length === 0 && line.active === 0 && !line.isMore && !line.isReading) lines.delete(userId);
    }
    if (behind !== null && lines.size < USERS / 2) look();
    for (;;) {
      if (active.size >= limits.runs) return;
      const [next] = nextOf(lines, limits.runsPerUser);
      if (!next) return;
      const [userId, line] = next;
      lines.delete(userId);
      lines.set(userId, line);
      const run = line.waiting[0];
      if (run) start(run);
    }
  }

  async function refill(userId: string, line: Line): Promise<void> {
    line.isReading = true;
    line.isMore = false;
    const limit = PER_USER + line.active;
    try {
      const runs = await storage.dueRuns(clock.now(), { userId }, limit);
      if (runs.length >= limit) line.isMore = true;
      for (const run of runs) {
        const key = keyOf(run);
        if (waiting.has(key) || active.has(key)) continue;
        line.waiting.push(run);
        waiting.add(key);
      }
      line.isReading = false;
      pump();
    } catch (error) {
      line.isReading = false;
      line.isMore = true;
      again(error);
    }
  }

  function look(): void {
    if (!isOpen) return;
    if (isLooking) mustLook = true;
    else void lookFor();
  }

  async function lookFor(): Promise<void> {
    isLooking = true;
    // Where it left off, or from the beginning.
    let after = behind ?? undefined;
    behind = null;
    try {
      const now = clock.now();
      await storage.freeRuns(now);
      for (;;) {
        const users = await storage.dueUsers(now, after, USERS / 4);
        let isFull = false;
        for (const userId of users) {
          const line = lineOf(userId);
          if (line) line.isMore = true;
          isFull ||= !line;
        }
        if (isFull) behind ??= after;
        after = users.at(-1);
        if (isFull || users.length < USERS / 4) break;
      }
      const next = await storage.nextDue(now, owner);
      if (next !== undefined) wakeAt(next);
      isLooking = false;
      if (mustLook) {
        mustLook = false;
        look();
      }
      pump();
      options.changed();
    } catch (error) {
      isLooking = false;
      mustLook = true;
      again(error);
    }
  }

  function again(error: unknown): void {
    if (!isOpen) return;
    options.failed(error);
    retry ??= clock.after(AGAIN_MS, () => {
      retry = undefined;
      if (mustLook) {
        mustLook = false;
        look();
      }
      pump();
    });
  }

  function wakeAt(time: number): void {
    if (!isOpen || (timer && timer.at <= time)) return;
    timer?.cancel();
    const cancel = clock.after(Math.min(Math.max(0, time - clock.now()), MAX_WAIT_MS), () => {
      timer = undefined;
      look();
    });
    timer = { at: time, cancel };
  }

  return {
    open() {
      // What it waited for may have come after the end.
      isOpen = !isClosed;
      look();
    },
    add,
    look,
    wakeAt,
    close() {
      isOpen = false;
      isClosed = true;
      timer?.cancel();
      retry?.();
    },
  };
}

function* nextOf(lines: ReadonlyMap<string, Line>, runsPerUser: number): Generator<readonly [string, Line]> {
  for (const entry of lines) if (entry[1].waiting.length > 0 && entry[1].active < runsPerUser) yield entry;
}

export function keyOf({ room, id }: { readonly room: string; readonly id: string }): string {
  return JSON.stringify([room, id]);
}
