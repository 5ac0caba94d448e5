import { CotableError } from '../../errors.ts';
import { toIntent } from '../../mutation/enqueue.ts';
import { childRunId } from '../../mutation/run-id.ts';
import type { RelayStorage } from '../../ports/relay-storage.ts';
import type { StoredRun } from '../../ports/run-storage.ts';
import type { AnySchema, Session } from '../../schema/schema.ts';
import type { JsonObject } from '../../util/json.ts';
import type { ActionTableReader } from '../action-table.ts';
import type { EngineContext } from '../backend.ts';
import { createEmitters } from '../emitters.ts';
import { createPlatformCaller, type Platform } from '../platform.ts';
import type { Previous, RunStream } from '../streams.ts';
import type { RunRequests } from './requests.ts';
import type { RunRoom } from './run-room.ts';
import { createSteps } from './steps.ts';

/** What an action's function works with, during one attempt. */
export function createActionContext(options: {
  readonly schema: AnySchema;
  readonly place: RunRoom;
  readonly run: StoredRun;
  readonly session: Session;
  /** In whose name it writes. */
  readonly writer: { readonly userId: string; readonly session?: Session };
  readonly signal: AbortSignal;
  /** Throws `run.fenced` once the attempt is over, however it ended. */
  readonly assertPresent: () => void;
  /** Asserts the same, does the work, and rejects with `run.fenced` when the storage has refused it as over. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>;
  readonly now: () => number;
  readonly storage: RelayStorage;
  readonly requests: RunRequests;
  readonly platform: Platform;
  readonly stream: RunStream;
  readonly previous: Previous | undefined;
  readonly queued: (run: StoredRun) => void;
}): EngineContext {
  const { schema, place, run, session, writer, signal, storage, assertPresent, guard } = options;
  const { attempt, userId } = run;
  const name = { run: run.id, attempt };
  let enqueued = 0;
  let mutated = 0;

  return {
    runId: run.id,
    attempt,
    idempotencyKey: run.id,
    userId,
    session,
    room: place.name,
    signal,
    mutate: (mutator, input) =>
      guard(async () => {
        mutated += 1;
        const id = `${run.id}/${attempt}/${mutated}`;
        await place.mutate(mutator, input, { ...writer, id, attempt: { ...name, ending: undefined }, assertPresent });
        return { id };
      }),
    table: (table) =>
      readTable(
        () => place.source(table).entries(),
        (key) => place.source(table).get(key),
      ),
    enqueueAction: (action, input, asked) =>
      guard(async () => {
        enqueued += 1;
        const intent = toIntent(schema, action, input, asked, options.now());
        const made = options.requests.toRun(
          { ...intent, id: childRunId(run.id, attempt, enqueued) },
          { userId, session, room: place.name },
        );
        const stored = await storage.queueRun(place.name, made, name);
        if (made.once && stored.digest !== made.once.digest) {
          throw new CotableError('action.idempotencyMismatch', { name: action, key: intent.key });
        }
        options.queued(stored);
        return stored.id;
      }),
    step: createSteps(storage, place.name, name, guard),
    platform: createPlatformCaller(options.platform, { userId, room: place.name, signal }),
    previous: options.previous,
    ...createEmitters(options.stream, userId, assertPresent),
  };
}

function readTable(
  entries: () => readonly (readonly [string, JsonObject])[],
  get: (key: string) => JsonObject | undefined,
): ActionTableReader<JsonObject> {
  return {
    get: async (key) => get(key),
    has: async (key) => get(key) !== undefined,
    entries: async () => entries(),
    list: async () => entries().map(([, row]) => row),
    first: async () => entries()[0]?.[1],
    count: async () => entries().length,
  };
}
