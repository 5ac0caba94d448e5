import { CotableError, isCotableError } from '../../errors.ts';
import type { MutatorBody } from '../../mutation/run.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { RelayStorage } from '../../ports/relay-storage.ts';
import type { RunEnding, StoredRun } from '../../ports/run-storage.ts';
import type { ActionShapes, AnySchema } from '../../schema/schema.ts';
import { validate } from '../../schema/validator.ts';
import { toFrozenJson, type JsonValue } from '../../util/json.ts';
import type { Platform } from '../platform.ts';
import { SYSTEM } from '../room.ts';
import { createActionContext } from './action-context.ts';
import { failure, toTold } from './ending.ts';
import type { Policy } from './policy.ts';
import type { RunRequests } from './requests.ts';
import type { RunRoom } from './run-room.ts';
import { sessionOfRun } from './run-session.ts';

/** What every attempt needs. */
export interface AttemptParts {
  readonly schema: AnySchema;
  readonly storage: RelayStorage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly platform: Platform;
  readonly requests: RunRequests;
  readonly queued: (run: StoredRun) => void;
}

/** One attempt of a run, from its claim on. */
export interface Attempt {
  /** All that its stream has said. */
  readonly said: JsonValue | undefined;
  /**
   * Calls the function. Resolves with how the run would end by it, and with the error where it failed; rejects with the
   * reason of the abort when the attempt is aborted first. Nobody waits for a function that is.
   */
  work(): Promise<{ readonly ending: RunEnding; readonly error: unknown }>;
  /**
   * Ends the run: what `onSettled` writes, the status and the end of the stream are one mutation. Resolves with the run as
   * it is kept then. Rejects with `run.fenced` when the attempt was aborted, and as the storage does: it may then be tried
   * again, on the room as it was loaded since.
   */
  settle(place: RunRoom, ending: RunEnding, said: JsonValue | undefined): Promise<StoredRun>;
}

export function createAttempt(
  parts: AttemptParts,
  run: StoredRun,
  place: RunRoom,
  { policy, shape }: { readonly policy: Policy | undefined; readonly shape: ActionShapes[string] | undefined },
  abort: AbortController,
): Attempt {
  const { storage, clock, logger } = parts;
  // What the function hears of: also that its time is up, which is no reason not to end the run.
  const heard = new AbortController();
  const { signal } = heard;
  const stream = place.streams.of(run.id, { name: run.name, definition: shape?.stream });
  const name = { run: run.id, attempt: run.attempt };
  const session = sessionOfRun(run);
  const writer = policy?.as === 'system' ? { userId: SYSTEM } : { userId: run.userId, session };
  let isOver = false;

  function assertPresent(): void {
    if (isOver || signal.aborted || abort.signal.aborted) throw new CotableError('run.fenced', {});
  }

  /** What the storage refused may have been refused because another attempt is the present one. */
  async function guard<T>(work: () => Promise<T>): Promise<T> {
    assertPresent();
    try {
      return await work();
    } catch (error) {
      if (!isCotableError(error, 'storage.conflict')) throw error;
      const stored = await storage.run(place.name, run.id);
      if (stored?.attempt === run.attempt && stored.status === 'running') throw error;
      abort.abort(new CotableError('run.fenced', {}));
      throw new CotableError('run.fenced', {});
    }
  }

  function checkedInput(): unknown {
    if (!shape) throw new CotableError('action.unknown', { name: run.name });
    return validate(shape.input, JSON.parse(run.input), `actions.${run.name}.input`, (issues) => {
      throw new CotableError('action.invalidInput', { name: run.name, issues });
    });
  }

  async function call({ run: action, cell }: Policy, { output: wanted, stream: says }: ActionShapes[string]): Promise<RunEnding> {
    const input = checkedInput() as never;
    const previous = says && stream.begin(run.attempt, cell?.(input));
    const now = clock.now;
    const ctx = createActionContext({ ...parts, now, place, run, session, writer, signal, assertPresent, guard, stream, previous });
    const output = validate(wanted, await action(ctx, input), `actions.${run.name}.output`, (issues) => {
      throw new CotableError('action.invalidOutput', { name: run.name, issues });
    });
    const json = toFrozenJson(output, ({ path, found }) => {
      throw new CotableError('value.notJson', { path: ['output', ...path].join('.'), found });
    });
    return { status: 'succeeded', output: JSON.stringify(json) };
  }

  return {
    get said() {
      return stream.said();
    },

    async work() {
      if (!policy || !shape) throw new TypeError('an action without a function has no attempts');
      const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      // It may be aborted when nobody waits for that any more.
      aborted.catch(() => undefined);
      const pass = (): void => heard.abort(abort.signal.reason);
      abort.signal.addEventListener('abort', pass);
      const { timeoutMs: ms } = policy;
      const cancelTimeout = clock.after(ms, () => heard.abort(new CotableError('run.timeout', { name: run.name, ms })));
      try {
        if (abort.signal.aborted) throw abort.signal.reason;
        const called = call(policy, shape);
        // What it throws after it was aborted is nobody's any more.
        called.catch(() => undefined);
        return { ending: await Promise.race([called, aborted]), error: undefined };
      } catch (error) {
        if (abort.signal.aborted) throw abort.signal.reason;
        logger.warn({ room: place.name, run: run.id, action: run.name, attempt: run.attempt, error }, 'an attempt failed');
        return { ending: failure(run.name, error), error };
      } finally {
        cancelTimeout();
        abort.signal.removeEventListener('abort', pass);
        // What the function left running can write nothing any more.
        isOver = true;
      }
    },

    async settle(at, ending, said) {
      const text = typeof said === 'string' ? said : '';
      const told = ((): { readonly input: unknown } | undefined => {
        try {
          return { input: checkedInput() };
        } catch (error) {
          // It does not fit any more: there is nothing to tell of, and the ending says so where the function was called.
          logger.warn({ room: place.name, run: run.id, action: run.name, error }, 'a run ends without onSettled');
          return undefined;
        }
      })();
      const perform = async (end: RunEnding, body: MutatorBody): Promise<StoredRun> => {
        const endedAt = clock.now();
        const { seq } = await at.perform(`${run.name}.onSettled`, body, {
          ...writer,
          id: `${run.id}/${run.attempt}/end`,
          attempt: { ...name, ending: end, endedAt },
          assertPresent() {
            if (abort.signal.aborted) throw new CotableError('run.fenced', {});
          },
          placed: (entry) => at.streams.end(run.id, entry),
        });
        return { ...run, status: end.status, ending: end, endedAt, seq };
      };
      try {
        return await perform(ending, (ctx) =>
          told ? policy?.onSettled?.(ctx, { id: run.id, input: told.input, text, said, ...toTold(ending) } as never) : undefined,
        );
      } catch (error) {
        if (abort.signal.aborted || isCotableError(error, 'relay.closed')) throw error;
        if (isCotableError(error) && error.code.startsWith('storage.')) throw error;
        // The run must end all the same, and say that what it should have written last is not written.
        logger.error({ room: place.name, run: run.id, action: run.name, error }, 'onSettled failed');
        return perform(failure(run.name, error), () => undefined);
      }
    },
  };
}
