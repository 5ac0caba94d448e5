import { asCotableError, CotableError, isCotableError } from '../../errors.ts';
import type { MutatorBody } from '../../mutation/run.ts';
import type { Logger } from '../../ports/logger.ts';
import type { QueuedRun, RelayStorage, RunEnding } from '../../ports/relay-storage.ts';
import type { ActionShapes, AnySchema } from '../../schema/schema.ts';
import { validate } from '../../schema/validator.ts';
import { toFrozenJson } from '../../util/json.ts';
import type { AnyActionPolicy } from '../backend.ts';
import { isLasting } from '../load-room.ts';
import type { Platform } from '../platform.ts';
import { createActionContext } from './action-context.ts';
import type { RunRoom } from './run-room.ts';

export interface RunnerOptions {
  readonly schema: AnySchema;
  readonly actions: { readonly [name: string]: AnyActionPolicy };
  readonly platform: Platform;
  readonly storage: RelayStorage;
  readonly logger: Logger;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  /** Loads a room; rejects while the relay closes. */
  room(name: string): Promise<RunRoom>;
  /** A run needs its room no longer. */
  released(room: string): void;
  /** A run has ended, and that is kept. */
  ended(room: string, run: string, ending: RunEnding, seq: number): void;
}

/**
 * Executes runs: each begins when it is queued, never by looking for it. A run is at least once: what a crash cut off is
 * begun again at the next start, as the next attempt; an attempt that is not the present one can write nothing.
 */
export interface Runner {
  begin(room: string, run: QueuedRun): void;
  /**
   * Takes up what has not ended and is not at work, of one room or of all, as soon as the disk says what that is: at the
   * start, and when a room's memory is given up, which may not have heard of what was queued. Never rejects.
   */
  resume(room?: string): Promise<void>;
  /** Aborts the attempts that are under way; they are taken up at the next start. */
  close(): void;
}

/** An attempt that could not go on is followed by another after this time. */
const AGAIN_MS = 1_000;

interface Attempt {
  readonly place: RunRoom;
  readonly policy: AnyActionPolicy;
  readonly shape: ActionShapes[string];
  readonly run: QueuedRun;
  readonly number: number;
  readonly signal: AbortSignal;
}

interface AttemptResult {
  readonly ending: RunEnding;
  /** As the validator gave it; `undefined` when it did not fit. */
  readonly input: { readonly value: unknown } | undefined;
  readonly text: string;
}

export function createRunner(options: RunnerOptions): Runner {
  const { schema, actions, storage, logger } = options;
  const active = new Map<string, AbortController>();
  /** Cancels of attempts that will be made again. */
  const waiting = new Set<() => void>();
  let isClosed = false;

  async function execute(name: string, run: QueuedRun, signal: AbortSignal): Promise<void> {
    const policy = Object.hasOwn(actions, run.name) ? actions[run.name] : undefined;
    const shape = Object.hasOwn(schema.actions, run.name) ? schema.actions[run.name] : undefined;
    if (!policy || !shape) {
      logger.error({ room: name, run: run.id, action: run.name }, 'no function for this action: the run stays queued');
      return;
    }
    const place = await options.room(name);
    const release = place.hold();
    try {
      const number = await begun(name, run.id);
      if (number === undefined) return;
      const work: Attempt = { place, policy, shape, run, number, signal };
      const result = await attempt(work);
      if (signal.aborted) return;
      const settled = await settle(work, result);
      options.ended(name, run.id, settled.ending, settled.seq);
    } finally {
      release();
      options.released(name);
    }
  }

  /** The number of the next attempt; `undefined` when the run has ended, though nobody here has heard of it. */
  async function begun(room: string, run: string): Promise<number | undefined> {
    try {
      return await storage.beginAttempt(room, run);
    } catch (error) {
      if (!isCotableError(error, 'storage.conflict')) throw error;
      const stored = await storage.run(room, run);
      if (!stored || stored.ending) return undefined;
      throw error;
    }
  }

  async function attempt(work: Attempt): Promise<AttemptResult> {
    const { place, policy, shape, run, number, signal } = work;
    const stream = place.streams.of(run.id, { name: run.name, definition: shape.stream });
    let isOver = false;
    let input: { readonly value: unknown } | undefined;
    const assertPresent = (): void => {
      if (isOver || signal.aborted) throw new CotableError('run.fenced', {});
    };
    try {
      const value = validate(shape.input, JSON.parse(run.input), `actions.${run.name}.input`, (issues) => {
        throw new CotableError('action.invalidInput', { name: run.name, issues });
      });
      input = { value };
      const previous = shape.stream && stream.begin(number, policy.cell?.(value as never));
      const ctx = createActionContext({
        schema,
        place,
        run,
        attempt: number,
        signal,
        assertPresent,
        now: options.now,
        storage,
        platform: options.platform,
        stream,
        previous,
        begin: (queued) => begin(place.name, queued),
      });
      const output = validate(shape.output, await policy.run(ctx, value as never), `actions.${run.name}.output`, (issues) => {
        throw new CotableError('action.invalidOutput', { name: run.name, issues });
      });
      const json = toFrozenJson(output, ({ path, found }) => {
        throw new CotableError('value.notJson', { path: ['output', ...path].join('.'), found });
      });
      return { ending: { status: 'succeeded', output: JSON.stringify(json) }, input, text: stream.text() };
    } catch (error) {
      if (!signal.aborted) logger.warn({ room: place.name, run: run.id, action: run.name, error }, 'a run failed');
      return { ending: failed(run, error), input, text: stream.text() };
    } finally {
      // What the function left running can write nothing any more.
      isOver = true;
    }
  }

  /** The `onSettled` of the policy, the status and the end of the stream are one mutation, for every ending. */
  async function settle(
    work: Attempt,
    { ending, input, text }: AttemptResult,
  ): Promise<{ readonly ending: RunEnding; readonly seq: number }> {
    const { place, policy, run, number } = work;
    const perform = (end: RunEnding, body: MutatorBody): Promise<{ readonly seq: number }> =>
      place.perform(`${run.name}.onSettled`, body, {
        userId: run.userId,
        attempt: { run: run.id, attempt: number, ending: end },
        placed: (seq) => place.streams.end(run.id, seq),
      });
    try {
      // An input that does not fit any more is nothing to tell of.
      const told = input && { id: run.id, input: input.value, text, ...toTold(ending) };
      const { seq } = await perform(ending, (ctx) => (told ? policy.onSettled?.(ctx, told as never) : undefined));
      return { ending, seq };
    } catch (error) {
      if (isClosed) throw error;
      // The run must end all the same, and say that what it should have written last is not written.
      logger.error({ room: place.name, run: run.id, action: run.name, error }, 'onSettled failed');
      const failure = failed(run, error);
      const { seq } = await perform(failure, () => undefined);
      return { ending: failure, seq };
    }
  }

  function begin(room: string, run: QueuedRun): void {
    const name = `${room} ${run.id}`;
    if (isClosed || active.has(name)) return;
    const controller = new AbortController();
    active.set(name, controller);
    execute(room, run, controller.signal).then(
      () => active.delete(name),
      (error: unknown) => {
        active.delete(name);
        controller.abort(error);
        if (isClosed) return;
        if (isLasting(error)) {
          logger.error({ room, run: run.id, action: run.name, error }, 'the run stays queued');
          return;
        }
        // The room was thrown out of memory, or the disk does not answer: the next attempt may find both well.
        logger.error({ room, run: run.id, action: run.name, error }, 'an attempt could not go on');
        again(() => begin(room, run));
      },
    );
  }

  function again(work: () => void): void {
    const cancel = options.after(AGAIN_MS, () => {
      waiting.delete(cancel);
      work();
    });
    waiting.add(cancel);
  }

  async function resume(room?: string): Promise<void> {
    try {
      for (const run of await storage.openRuns(room)) begin(run.room, run);
    } catch (error) {
      if (isClosed) return;
      // Nobody else would ever begin them.
      logger.error({ error }, 'runs of before could not be taken up');
      again(() => void resume(room));
    }
  }

  return {
    begin,
    resume,
    close() {
      isClosed = true;
      for (const cancel of waiting) cancel();
      for (const controller of active.values()) controller.abort(new CotableError('relay.closed', {}));
    },
  };
}

function failed(run: QueuedRun, error: unknown): RunEnding {
  const { code, params } = asCotableError(error, (reason) => new CotableError('run.failed', { name: run.name, reason }, { cause: error }));
  return { status: 'failed', error: { code, params } };
}

function toTold(
  ending: RunEnding,
): { status: 'succeeded'; output: unknown; error: undefined } | { status: 'failed'; output: undefined; error: CotableError } {
  if (ending.status === 'succeeded') return { status: 'succeeded', output: JSON.parse(ending.output) as unknown, error: undefined };
  return { status: 'failed', output: undefined, error: new CotableError<string>(ending.error.code, ending.error.params) };
}
