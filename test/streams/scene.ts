import { createStore, defineMutators, defineSchema, table, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Actions, type LimitOptions, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

const step = z.object({ step: z.string(), at: z.number().default(0) });

/** An action of each kind; `go` enqueues the one that is named. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(z.object({ id: z.string(), text: z.string(), run: z.string().optional() })) } },
  mutators: {
    put: { input: z.object({ id: z.string(), text: z.string() }) },
    go: { input: z.object({ id: z.string() }) },
  },
  actions: {
    talk: { input: z.object({ id: z.string() }), output: z.object({}), stream: { kind: 'text' } },
    work: { input: z.object({ id: z.string() }), output: z.object({}), stream: { kind: 'items', of: step } },
    meter: { input: z.object({ id: z.string() }), output: z.object({}), stream: { kind: 'value', of: z.object({ percent: z.number() }) } },
    mute: { input: z.object({ id: z.string() }), output: z.object({}) },
  },
});
export type S = typeof schema;
type Run<N extends keyof Actions<S>> = Extract<Actions<S>[N], (...args: never) => unknown>;
export type Runs = { readonly [N in keyof Actions<S>]?: Run<N> };

export const mutators = defineMutators<S>({
  put: (ctx, row) => ctx.table('rows').set(row.id, row),
  go(ctx, { id }) {
    const run = ctx.enqueueAction('talk', { id });
    ctx.table('rows').set(id, { id, text: '', run });
  },
});

/** A promise that a test lets go. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
}

export interface Scene {
  readonly hub: ReturnType<typeof memoryHub>;
  relay: Relay<S>;
  open(userId: string): Store<S>;
  /** Ends the relay as a crash does, as far as stores and runs can tell, and starts another on the same disk. */
  restart(): Promise<void>;
}

/** A relay with these functions; the row of a run gets `done` with its end. `talk` shows in its row when `cell` is given. */
export function scene(
  runs: Runs,
  options: {
    readonly limits?: LimitOptions;
    readonly cell?: boolean;
    readonly isAtMostOnce?: boolean;
    /** Calls of the disk that go otherwise. */
    readonly disk?: (storage: RelayStorage) => Partial<RelayStorage>;
  } = {},
): Scene {
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  const none = async (): Promise<Record<string, never>> => ({});
  const start = (): Relay<S> => {
    const storage = memoryRelayStorage(disk);
    return createRelay({
      backend: {
        schema,
        mutators,
        actions: {
          talk: {
            run: runs.talk ?? none,
            ...(options.isAtMostOnce && { delivery: 'at-most-once' as const }),
            ...(options.cell && { cell: ({ id }: { id: string }) => ({ table: 'rows' as const, key: id, field: 'text' as const }) }),
            onSettled: (ctx, { input, text, status }) => ctx.table('rows').set(input.id, { id: input.id, text: `${text} (${status})` }),
          },
          work: runs.work ?? none,
          meter: runs.meter ?? none,
          mute: runs.mute ?? none,
        },
      },
      storage: { ...storage, ...options.disk?.(storage) },
      acceptors: [hub.acceptor()],
      ...(options.limits && { limits: options.limits }),
    });
  };
  const all: Scene = {
    hub,
    relay: start(),
    open(userId) {
      const transports = [hub.transport(userId)];
      const store = createStore({ schema, mutators, room: 'room', storage: memoryClientStorage({ durable: true }), transports, userId });
      onTestFinished(() => store.close());
      return store;
    },
    async restart() {
      await all.relay.close({ graceMs: 0 });
      all.relay = start();
    },
  };
  onTestFinished(() => all.relay.close({ graceMs: 0 }));
  return all;
}

/** All pieces of a stream, as they are once it has ended. */
export async function piecesOf<Piece>(stream: AsyncIterable<Piece>): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}
