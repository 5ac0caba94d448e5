import { createStore, defineMutators, defineSchema, reject, table, type ClientStorage, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { createRelay, type Actions, type Compaction, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { expect, onTestFinished } from 'vitest';
import { z } from 'zod';
import { diskOf, storedState, type KINDS, type StoredState } from './disk.ts';

export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    notes: { schema: table(z.object({ id: z.string(), text: z.string(), stars: z.number().optional() })) },
    counters: { schema: table(z.object({ n: z.number() })) },
  },
  mutators: {
    write: { input: z.object({ id: z.string(), text: z.string() }) },
    edit: { input: z.object({ id: z.string(), text: z.string().optional(), stars: z.number().optional() }) },
    unstar: { input: z.object({ id: z.string() }) },
    drop: { input: z.object({ id: z.string() }) },
    count: { input: z.object({ id: z.string() }) },
    put: { input: z.object({ id: z.string(), n: z.number() }) },
  },
  actions: {
    answer: { input: z.object({ id: z.string() }), output: z.object({ text: z.string() }), stream: { kind: 'text' } },
  },
});
export type S = typeof schema;

export const mutators = defineMutators<S>({
  write: (ctx, note) => ctx.table('notes').set(note.id, note),
  edit(ctx, { id, ...fields }) {
    if (!ctx.table('notes').has(id)) reject('test.gone', { id });
    ctx.table('notes').update(id, fields);
  },
  unstar: (ctx, { id }) => ctx.table('notes').update(id, { stars: undefined }),
  drop: (ctx, { id }) => void ctx.table('notes').delete(id),
  count: (ctx, { id }) => ctx.table('counters').set(id, { n: (ctx.table('counters').get(id)?.n ?? 0) + 1 }),
  put: (ctx, { id, n }) => ctx.table('counters').set(id, { n }),
});

/** So tight that nearly every overwrite is one too many. */
export const TIGHT: Partial<Compaction> = { ratio: 1, minItems: 10, restMs: 0 };
/** Never while the room is in use. */
export const AT_LOAD: Partial<Compaction> = { ratio: 1, minItems: 0, restMs: Infinity };

export interface StartOptions {
  readonly compaction?: Partial<Compaction>;
  readonly answer?: Actions<S>['answer'];
  /** What stands between relay and disk. */
  readonly around?: (storage: RelayStorage) => RelayStorage;
}

export interface Scene {
  readonly hub: MemoryHub;
  readonly relay: Relay<S>;
  /** What the relay has logged. */
  readonly logged: readonly string[];
  open(userId: string, storage?: ClientStorage): Store<S>;
  /** Ends the relay and starts another on the same disk. */
  restart(options?: StartOptions): Promise<void>;
  stored(): Promise<StoredState>;
  /** The log. */
  entries(): Promise<readonly Uint8Array[]>;
}

/** With `hub` it takes the place of the relay that was there. */
export async function scene(kind: (typeof KINDS)[number], first: StartOptions = {}, hub = memoryHub()): Promise<Scene> {
  const disk = await diskOf(kind);
  const logged: string[] = [];
  const log = (_: object, message: string): void => void logged.push(message);
  let storage: RelayStorage;
  let options = first;

  function start(): Relay<S> {
    const opened = disk.open();
    storage = options.around?.(opened) ?? opened;
    return createRelay({
      backend: { schema, mutators, actions: { answer: options.answer ?? (async () => ({ text: '' })) } },
      storage,
      acceptors: [hub.acceptor()],
      limits: { compaction: options.compaction },
      logger: { info: log, warn: log, error: log },
    });
  }

  let relay = start();
  onTestFinished(() => relay.close());
  return {
    hub,
    logged,
    get relay() {
      return relay;
    },
    open(userId, device = memoryClientStorage({ durable: true })) {
      const store = createStore({ schema, mutators, room: 'room', storage: device, transports: [hub.transport(userId)], userId });
      onTestFinished(() => store.close());
      return store;
    },
    async restart(next = {}) {
      await relay.close();
      options = next;
      relay = start();
    },
    stored: () => storedState(storage),
    entries: async () => (await storage.entries('room', 0, 10_000)).map(({ bytes }) => bytes),
  };
}

/** Makes a mutation and waits until the relay keeps it. */
export async function kept(mutation: Promise<{ readonly confirmed: Promise<void> }>): Promise<void> {
  await (
    await mutation
  ).confirmed;
}

/** The stores are online with nothing pending, and hold all that the relay has accepted so far. */
export async function level(all: Pick<Scene, 'relay'>, ...stores: readonly Store<S>[]): Promise<void> {
  const id = `mark-${++marks}`;
  await all.relay.mutate('room', 'write', { id, text: '' });
  for (const store of stores) {
    await expect.poll(() => [store.status.state, store.status.pending, store.table('notes').has(id)], POLL).toEqual(['online', 0, true]);
  }
}
let marks = 0;

export const POLL = { timeout: 20_000, interval: 5 };

/** All rows but the marks. */
export function rowsOf(store: Store<S>): unknown {
  const notes = store.table('notes').entries();
  return { notes: notes.filter(([key]) => !key.startsWith('mark-')), counters: store.table('counters').entries() };
}
