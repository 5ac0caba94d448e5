import { CotableError } from '../../errors.ts';
import type { DueRun, StoredRun } from '../../ports/run-storage.ts';
import { startCron, type CronFire } from './cron.ts';
import { createDispatcher, keyOf } from './dispatcher.ts';
import { AGAIN_MS, createExecution, type Busy, type RunnerOptions } from './execution.ts';
import { createLeases } from './leases.ts';

/**
 * Executes runs: each begins when it is queued or when its time comes, never by looking again and again. A run is at least
 * once: what a crash cut off is begun again at the next start; an attempt that is not the present one can write nothing.
 */
export interface Runner {
  /** Takes over what this relay left at work, begins what is due, and starts the clock's runs. */
  start(): void;
  /** A run was queued, or stands so: it is begun when it is due. */
  queued(run: StoredRun): void;
  /** Runs may be queued that nobody here has heard of. */
  look(): void;
  /**
   * Cancels a run, of `userId` if that is given: when this resolves, with the run as it stands, it can write nothing more
   * and will end as canceled. Rejects with `run.notFound` and `run.terminal`.
   */
  cancel(room: string, run: string, userId?: string): Promise<StoredRun>;
  /** A cancel of a run of `userId` is being kept, as `kept` says: from this moment on it writes nothing. */
  fence(room: string, run: string, userId: string, kept: Promise<unknown>): void;
  /** That cancel is kept. */
  canceled(room: string, run: string): Promise<void>;
  /** Queues a run again that ended otherwise than well. Rejects with `run.notFound` and `run.terminal`. */
  redrive(room: string, run: string): Promise<StoredRun>;
  /** Resolves when no run, of one room or of all, is at work, due or between attempts. */
  idle(room?: string): Promise<void>;
  /** Lets attempts end by themselves for so long, then aborts them: they are begun again at the next start. */
  close(graceMs: number): Promise<void>;
}

export function createRunner(options: RunnerOptions): Runner {
  const { schedules, storage, clock, random, logger } = options;
  const owner = storage.owner ?? `relay-${random().toString(36).slice(2)}${random().toString(36).slice(2)}`;
  const busy = new Map<string, Busy>();
  /** Runs of which it is being kept that they are canceled: none is begun before that is known. */
  const deciding = new Map<string, Promise<void>>();
  const watchers = new Set<() => void>();
  const pauses = new Set<() => void>();
  let stopCron = (): void => undefined;
  let isClosing = false;
  let isClosed = false;

  const failed = (error: unknown): void => {
    if (!isClosed) logger.error({ error }, 'runs cannot be read or kept now');
  };
  const dispatcher = createDispatcher({ storage, clock, owner, limits: options.limits, begin, failed, changed: notify });
  const leases = createLeases({ storage, clock, owner, failed });
  const execute = createExecution(options, {
    owner,
    leases,
    dispatcher,
    isClosing: () => isClosing,
    isClosed: () => isClosed,
    pause,
    failed,
    announce,
    cancel,
    decided: (due) => deciding.get(keyOf(due)),
  });

  function notify(): void {
    for (const watcher of [...watchers]) watcher();
    watchers.clear();
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        pauses.delete(done);
        cancel();
        resolve();
      };
      const cancel = clock.after(ms, done);
      pauses.add(done);
    });
  }

  /** Sees a due run through to the end of its attempt, or to why there is none. Never rejects. */
  async function begin(due: DueRun): Promise<void> {
    const entry: Busy = {
      due,
      abort: new AbortController(),
      place: undefined,
      attempt: undefined,
      isCanceled: false,
      canceling: undefined,
      said: undefined,
    };
    busy.set(keyOf(due), entry);
    while (!isClosed) {
      try {
        await execute(entry);
        break;
      } catch (error) {
        if (isClosed) break;
        // The disk does not answer: nothing else could be begun either.
        logger.error({ room: due.room, run: due.id, action: due.name, error }, 'a run could not be begun');
        await pause(AGAIN_MS);
      }
    }
    if (busy.get(keyOf(due)) === entry) busy.delete(keyOf(due));
    options.released(due.room);
  }

  function announce(run: StoredRun): void {
    if (run.attempt === 0 && !run.ending) options.changed(run, true);
    queued(run);
  }

  function queued(run: StoredRun): void {
    if (run.ending || run.status === 'running') return;
    if (run.notBefore > clock.now()) dispatcher.wakeAt(run.notBefore);
    else dispatcher.add(run);
  }

  async function cancel(room: string, run: string, userId?: string): Promise<StoredRun> {
    const entry = busy.get(keyOf({ room, id: run }));
    const judge = (stored: StoredRun | undefined): StoredRun => {
      if (!stored || (userId !== undefined && stored.userId !== userId)) throw new CotableError('run.notFound', { run });
      if (stored.ending) throw new CotableError('run.terminal', { status: stored.status });
      return stored;
    };
    const decide = async (): Promise<StoredRun> => {
      // What it wrote before is kept before it is fenced.
      await entry?.place?.settled().catch(() => undefined);
      return judge(await storage.cancelRun(room, run, { now: clock.now(), ...(userId !== undefined && { userId }) }));
    };
    const decided = decide();
    interrupt(room, run, userId, decided);
    const stored = await decided;
    dispatcher.add(stored, true);
    return stored;
  }

  /** From this moment on it writes nothing: what it would write might come behind the cancel, where it is refused. */
  function interrupt(room: string, run: string, userId: string | undefined, decided: Promise<unknown>): void {
    const key = keyOf({ room, id: run });
    const entry = busy.get(key);
    const isDecided = decided.then(
      () => undefined,
      () => undefined,
    );
    const done = isDecided.then(() => {
      if (deciding.get(key) === done) deciding.delete(key);
    });
    deciding.set(key, done);
    if (!entry || entry.isCanceled || (userId !== undefined && entry.due.userId !== userId)) return;
    entry.canceling = isDecided;
    entry.abort.abort(new CotableError('run.canceled', {}));
  }

  async function fire({ id, name, room, input }: CronFire): Promise<void> {
    try {
      const release = (await options.room(room)).hold();
      try {
        const run = options.requests.toRun({ id, name, input, key: '', notBefore: 0 }, { userId: 'system', room });
        announce(await storage.queueRun(room, run));
      } finally {
        release();
        options.released(room);
      }
    } catch (error) {
      if (!isClosing) logger.error({ room, run: id, action: name, error }, 'a run of the clock could not be queued');
    }
  }

  async function takeOver(): Promise<void> {
    while (!isClosing) {
      try {
        await storage.freeRuns(clock.now(), owner);
        return dispatcher.open();
      } catch (error) {
        failed(error);
        await pause(AGAIN_MS);
      }
    }
  }

  return {
    start() {
      stopCron = startCron(schedules, clock, (fired) => void fire(fired));
      void takeOver();
    },
    queued,
    look: dispatcher.look,
    cancel,
    fence: interrupt,
    async canceled(room, run) {
      try {
        const stored = await storage.run(room, run);
        if (stored?.isCanceled && !stored.ending) dispatcher.add(stored, true);
      } catch (error) {
        failed(error);
        dispatcher.look();
      }
    },
    async redrive(room, run) {
      const before = await storage.run(room, run);
      if (!before) throw new CotableError('run.notFound', { run });
      if (before.status === 'succeeded') throw new CotableError('run.terminal', { status: before.status });
      const stored = await storage.redriveRun(room, run, clock.now());
      if (!stored) throw new CotableError('run.notFound', { run });
      if (before.ending) options.changed(stored, false);
      queued(stored);
      return stored;
    },
    async idle(room) {
      for (;;) {
        const change = new Promise<void>((resolve) => watchers.add(resolve));
        if (isClosing || !(await storage.hasWork(clock.now(), room))) return;
        await change;
      }
    },
    async close(graceMs) {
      isClosing = true;
      stopCron();
      dispatcher.close();
      const wait = clock.now() + graceMs;
      while (busy.size > 0 && clock.now() < wait) {
        const change = new Promise<void>((resolve) => watchers.add(resolve));
        await Promise.race([change, pause(wait - clock.now())]);
      }
      for (const entry of busy.values()) entry.abort.abort(new CotableError('relay.closed', {}));
      isClosed = true;
      for (const done of [...pauses]) done();
      while (busy.size > 0) await new Promise<void>((resolve) => watchers.add(resolve));
      leases.close();
      notify();
    },
  };
}
