import { checkAction } from '../../mutation/run.ts';
import type { QueuedRun, RelayStorage } from '../../ports/relay-storage.ts';
import type { AnySchema } from '../../schema/schema.ts';
import type { JsonObject } from '../../util/json.ts';
import type { ActionContext, ActionTableReader } from '../backend.ts';
import { createEmitters } from '../emitters.ts';
import { createPlatformCaller, type Platform } from '../platform.ts';
import type { Previous, RunStream } from '../streams.ts';
import type { RunRoom } from './run-room.ts';

/** What an action's function works with, during one attempt. */
export function createActionContext(options: {
  readonly schema: AnySchema;
  readonly place: RunRoom;
  readonly run: QueuedRun;
  readonly attempt: number;
  readonly signal: AbortSignal;
  /** Throws `run.fenced` once the attempt is over, however it ended. */
  readonly assertPresent: () => void;
  readonly now: () => number;
  readonly storage: RelayStorage;
  readonly platform: Platform;
  readonly stream: RunStream;
  readonly previous: Previous | undefined;
  readonly begin: (run: QueuedRun) => void;
}): ActionContext<AnySchema, unknown, Platform, unknown> {
  const { schema, place, run, attempt, signal, storage, assertPresent } = options;
  let enqueued = 0;

  return {
    runId: run.id,
    attempt,
    userId: run.userId,
    room: place.name,
    signal,
    async mutate(name, input) {
      assertPresent();
      const { id } = await place.mutate(name, input, {
        userId: run.userId,
        attempt: { run: run.id, attempt, ending: undefined },
        assertPresent,
      });
      return { id };
    },
    table: (name) =>
      readTable(
        () => place.source(name).entries(),
        (key) => place.source(name).get(key),
      ),
    async enqueueAction(name, input) {
      assertPresent();
      enqueued += 1;
      const queued: QueuedRun = {
        id: `${run.id}/${attempt}:${enqueued}`,
        name,
        input: JSON.stringify(checkAction(schema, name, input)),
        userId: run.userId,
        queuedAt: options.now(),
      };
      await storage.queueRun(place.name, queued);
      options.begin(queued);
      return queued.id;
    },
    platform: createPlatformCaller(options.platform, { userId: run.userId, room: place.name, signal }),
    previous: options.previous,
    ...createEmitters(options.stream, run.userId, assertPresent),
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
