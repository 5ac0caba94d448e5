import { digest } from 'lib0/hash/sha256';
import { encodeUtf8 } from 'lib0/string';
import { CotableError } from '../../errors.ts';
import { intentRunId, keyedRunId } from '../../mutation/run-id.ts';
import type { QueuedRun, RunRequest } from '../../ports/run-storage.ts';
import type { EnqueueIntent, Intent } from '../../protocol/frames.ts';
import { parseJson } from '../../protocol/json.ts';
import type { AnySchema, Session } from '../../schema/schema.ts';
import { validate } from '../../schema/validator.ts';
import type { JsonValue } from '../../util/json.ts';
import { toKept } from './run-session.ts';

/** For how long asking again with an idempotency key is asking for the same run. */
const KEPT_MS = 24 * 60 * 60_000;

/** What it takes of a room's app: its actions, with their concurrency keys. */
interface Asked {
  readonly schema: AnySchema;
  readonly actions: {
    readonly [name: string]: {
      readonly concurrency: { readonly key: (input: never, caller: Omit<Caller, 'session'>) => string } | undefined;
    };
  };
}

/** Who asks for a run, and where. */
export interface Caller {
  readonly userId: string;
  readonly room: string;
  /** Left out: nothing but who it is. */
  readonly session?: Session | undefined;
}

/** Makes runs of what was asked for. */
export interface RunRequests {
  /** A run with a key goes by that, whatever `id` is. Throws `run.failed` when the action's concurrency key does. */
  toRun(asked: EnqueueIntent & { readonly id: string; readonly expiresAt?: number }, caller: Caller): QueuedRun;
  /** What a mutation asks for, in its order. */
  ofMutation(mutationId: string, intents: readonly Intent[], caller: Caller): readonly RunRequest[];
}

export function createRunRequests(appOf: (room: string) => Asked, now: () => number): RunRequests {
  function laneOf(name: string, input: string, caller: Caller): string | undefined {
    const { actions, schema } = appOf(caller.room);
    const concurrency = Object.hasOwn(actions, name) ? actions[name]?.concurrency : undefined;
    const shape = schema.actions[name];
    if (!concurrency || !shape) return undefined;
    const value = validate(shape.input, parseJson(input), `actions.${name}.input`, (issues) => {
      throw new CotableError('action.invalidInput', { name, issues });
    });
    try {
      const lane: unknown = concurrency.key(value as never, { userId: caller.userId, room: caller.room });
      if (typeof lane !== 'string') throw new TypeError('its concurrency key is no string');
      return lane;
    } catch (error) {
      throw new CotableError('run.failed', { name, reason: error instanceof Error ? error.message : String(error) }, { cause: error });
    }
  }

  function toRun({ id, name, input, key, notBefore, expiresAt = 0 }: Parameters<RunRequests['toRun']>[0], caller: Caller): QueuedRun {
    const queuedAt = now();
    const lane = laneOf(name, input, caller);
    const session = toKept(appOf(caller.room).schema, caller.session);
    return {
      id: key === '' ? id : keyedRunId(caller.userId, name, key),
      name,
      input,
      userId: caller.userId,
      ...(session !== undefined && { session }),
      queuedAt,
      ...(notBefore > 0 && { notBefore }),
      ...(expiresAt > 0 && { expiresAt }),
      ...(lane !== undefined && { lane }),
      ...(key !== '' && { once: { digest: inputDigest(input), keptSince: queuedAt - KEPT_MS } }),
    };
  }

  return {
    toRun,
    ofMutation: (mutationId, intents, caller) =>
      intents.map((intent, index) =>
        'cancel' in intent
          ? { cancel: intent.cancel, userId: caller.userId, at: now() }
          : toRun({ ...intent, id: intentRunId(mutationId, index + 1) }, caller),
      ),
  };
}

/** Equal inputs have equal digests, in whatever order their fields stand. */
function inputDigest(input: string): string {
  const bytes = digest(encodeUtf8(JSON.stringify(sorted(parseJson(input) as JsonValue))));
  return Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function sorted(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => sorted(item as JsonValue) as JsonValue);
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item as JsonValue)]),
  );
}
