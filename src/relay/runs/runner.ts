import { asCotableError, CotableError } from '../../errors.ts';
import type { MutatorBody } from '../../mutation/run.ts';
import type { Logger } from '../../ports/logger.ts';
import type { QueuedRun, RelayStorage, RunEnding } from '../../ports/relay-storage.ts';
import type { AnySchema } from '../../schema/schema.ts';
import { validate } from '../../schema/validator.ts';
import { toFrozenJson } from '../../util/json.ts';
import type { AnyActionPolicy } from '../backend.ts';
import type { Platform } from '../platform.ts';
import type { MutationOrigin } from '../room.ts';
import { createActionContext } from './action-context.ts';
import type { RunRoom } from './run-room.ts';

export interface RunnerOptions {
  readonly schema: AnySchema;
  readonly actions: { readonly [name: string]: AnyActionPolicy };
  readonly platform: Platform;
  readonly storage: RelayStorage;
  readonly logger: Logger;
  readonly now: () => number;
  /** Loads a room; rejects while the relay closes. */
  room(name: string): Promise<RunRoom>;
  /** A run has ended, and that is kept. */
  ended(room: string, run: string, ending: RunEnding, seq: number): void;
}

/**
 * Executes runs: each begins when it is queued, never by looking for it. A run is at least once: what a crash cut off is
 * begun again at the next start, as the next attempt; an attempt that is not the present one can write nothing.
 */
export interface Runner {
  begin(room: string, run: QueuedRun): void;
  /** Takes up what had not ended when the relay stopped. */
  resume(): Promise<void>;
  /** Aborts the attempts that are under way; they are taken up at the next start. */
  close(): void;
}

export function createRunner(options: RunnerOptions): Runner {
  const { schema, actions, storage, logger } = options;
  const active = new Map<string, AbortController>();
  let isClosed = false;

  async function execute(name: string, run: QueuedRun, controller: AbortController): Promise<void> {
    const policy = Object.hasOwn(actions, run.name) ? actions[run.name] : undefined;
    if (!policy) {
      logger.error({ room: name, run: run.id, action: run.name }, 'no function for this action: the run stays queued');
      return;
    }
    const place = await options.room(name);
    const release = place.room.hold();
    try {
      const attempt = await storage.beginAttempt(name, run.id);
      const { ending, input, text } = await attemptRun(place, policy, run, attempt, controller.signal);
      if (controller.signal.aborted) return;
      const settled = await settle(place, policy, run, attempt, ending, input, text);
      options.ended(name, run.id, settled.ending, settled.seq);
    } finally {
      release();
    }
  }

  async function attemptRun(
    place: RunRoom,
    policy: AnyActionPolicy,
    run: QueuedRun,
    attempt: number,
    signal: AbortSignal,
  ): Promise<{ readonly ending: RunEnding; readonly input: unknown; readonly text: string }> {
    const shape = schema.actions[run.name];
    const stream = place.streams.of(run.id);
    let input: unknown;
    try {
      if (!shape) throw new CotableError('action.unknown', { name: run.name });
      input = validate(shape.input, JSON.parse(run.input), `actions.${run.name}.input`, (issues) => {
        throw new CotableError('action.invalidInput', { name: run.name, issues });
      });
      stream.begin(attempt, policy.cell?.(input as never));
      const ctx = createActionContext({
        schema,
        place,
        run,
        attempt,
        signal,
        now: options.now,
        storage,
        platform: options.platform,
        emit: stream.push,
        begin: (queued) => begin(place.name, queued),
      });
      const returned = await policy.run(ctx, input as never);
      const output = validate(shape.output, returned, `actions.${run.name}.output`, (issues) => {
        throw new CotableError('action.invalidOutput', { name: run.name, issues });
      });
      const json = toFrozenJson(output, ({ path, found }) => {
        throw new CotableError('value.notJson', { path: ['output', ...path].join('.'), found });
      });
      return { ending: { status: 'succeeded', output: JSON.stringify(json) }, input, text: stream.text() };
    } catch (error) {
      const failure = asCotableError(error, (reason) => new CotableError('run.failed', { name: run.name, reason }, { cause: error }));
      if (!signal.aborted) logger.warn({ room: place.name, run: run.id, action: run.name, error }, 'a run failed');
      return { ending: failed(failure), input, text: stream.text() };
    }
  }

  /** The `onSettled` of the policy, the status and the end of the stream are one mutation, for every ending. */
  async function settle(
    place: RunRoom,
    policy: AnyActionPolicy,
    run: QueuedRun,
    attempt: number,
    ending: RunEnding,
    input: unknown,
    text: string,
  ): Promise<{ readonly ending: RunEnding; readonly seq: number }> {
    const told = { id: run.id, input: input as never, text, ...toTold(ending) };
    const body: MutatorBody = (ctx) => policy.onSettled?.(ctx, told as never);
    const placed = (seq: number): void => place.streams.end(run.id, seq);
    const origin = (end: RunEnding): MutationOrigin => ({ userId: run.userId, attempt: { run: run.id, attempt, ending: end }, placed });
    try {
      const { seq } = await place.room.perform(`${run.name}.onSettled`, body, origin(ending));
      return { ending, seq };
    } catch (error) {
      if (isClosed) throw error;
      // The run must end all the same, and say that what it should have written last is not written.
      logger.error({ room: place.name, run: run.id, action: run.name, error }, 'onSettled failed');
      const failure = failed(
        asCotableError(error, (reason) => new CotableError('run.failed', { name: run.name, reason }, { cause: error })),
      );
      const nothing: MutatorBody = () => undefined;
      const { seq } = await place.room.perform(`${run.name}.onSettled`, nothing, origin(failure));
      return { ending: failure, seq };
    }
  }

  function begin(room: string, run: QueuedRun): void {
    const name = `${room} ${run.id}`;
    if (isClosed || active.has(name)) return;
    const controller = new AbortController();
    active.set(name, controller);
    execute(room, run, controller)
      .catch((error: unknown) => {
        if (!isClosed)
          logger.error({ room, run: run.id, action: run.name, error }, 'a run could not go on; it is taken up at the next start');
      })
      .finally(() => active.delete(name));
  }

  return {
    begin,
    async resume() {
      for (const run of await storage.openRuns()) begin(run.room, run);
    },
    close() {
      isClosed = true;
      for (const controller of active.values()) controller.abort(new CotableError('relay.closed', {}));
    },
  };
}

function failed({ code, params }: CotableError): RunEnding {
  return { status: 'failed', error: { code, params } };
}

function toTold(
  ending: RunEnding,
): { status: 'succeeded'; output: unknown; error: undefined } | { status: 'failed'; output: undefined; error: CotableError } {
  if (ending.status === 'succeeded') return { status: 'succeeded', output: JSON.parse(ending.output) as unknown, error: undefined };
  return { status: 'failed', output: undefined, error: new CotableError<string>(ending.error.code, ending.error.params) };
}
