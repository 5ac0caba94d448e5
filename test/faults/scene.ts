import { createStore, defineAccess, defineMutators, defineSchema, table, type ClientStorage, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk } from 'cotable/adapters/memory';
import { createRelay, type LimitOptions, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { expect } from 'vitest';
import { z } from 'zod';
import { foldLog } from '../property/oracle.mjs';

export type MemoryRelayDisk = ReturnType<typeof memoryRelayDisk>;

/** Notes that people write and a bot answers; nobody but the relay knows that some keys are closed. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    notes: { schema: table(z.object({ id: z.string(), text: z.string(), stars: z.number().optional() })) },
    /** `ends`: how often the run that writes it has ended. */
    answers: { schema: table(z.object({ id: z.string(), text: z.string(), ends: z.number() })) },
  },
  mutators: {
    write: { input: z.object({ id: z.string(), text: z.string() }) },
    star: { input: z.object({ id: z.string(), stars: z.number() }) },
    drop: { input: z.object({ id: z.string() }) },
    ask: { input: z.object({ id: z.string() }) },
  },
  actions: {
    answer: { input: z.object({ id: z.string() }), output: z.object({ text: z.string() }), stream: { kind: 'text' } },
  },
});
export type S = typeof schema;

export const mutators = defineMutators<S>({
  write: (ctx, note) => ctx.table('notes').set(note.id, note),
  star(ctx, { id, stars }) {
    if (ctx.table('notes').has(id)) ctx.table('notes').update(id, { stars });
  },
  drop: (ctx, { id }) => void ctx.table('notes').delete(id),
  ask(ctx, { id }) {
    ctx.table('answers').set(id, { id, text: '', ends: 0 });
    ctx.enqueueAction('answer', { id });
  },
});

export const access = defineAccess<S>({ tables: { notes: { insert: (_, { key }) => !key.startsWith('closed') } } });

/** What a relay said that went wrong, by code. */
export interface FaultRelay {
  readonly relay: Relay<S>;
  readonly hub: MemoryHub;
  readonly codes: Set<string>;
  open(userId: string, storage?: ClientStorage): Store<S>;
  close(): Promise<void>;
}

export function startRelay(storage: RelayStorage, limits?: LimitOptions): FaultRelay {
  const hub = memoryHub();
  const codes = new Set<string>();
  const log = (fields: object): void => {
    const { code, error } = fields as { readonly code?: string; readonly error?: { readonly code?: string } };
    for (const found of [code, error?.code]) if (found) codes.add(found);
  };
  const relay = createRelay({
    backend: {
      schema,
      mutators,
      access,
      actions: {
        answer: {
          async run(ctx) {
            for (const piece of ['to be ', 'or not']) ctx.broadcastStream(piece);
            return { text: 'to be or not' };
          },
          onSettled(ctx, { input: { id }, text }) {
            ctx.table('answers').set(id, { id, text, ends: (ctx.table('answers').get(id)?.ends ?? 0) + 1 });
          },
        },
      },
    },
    storage,
    acceptors: [hub.acceptor()],
    limits,
    logger: { info: () => undefined, warn: log, error: log },
  });
  const stores: Store<S>[] = [];
  return {
    relay,
    hub,
    codes,
    open(userId, device = memoryClientStorage({ durable: true })) {
      const store = createStore({ schema, mutators, room: 'room', storage: device, transports: [hub.transport(userId)], userId });
      stores.push(store);
      return store;
    },
    async close() {
      await Promise.all(stores.map((store) => store.close()));
      await relay.close();
    },
  };
}

/** A disk of its own with the same on it. */
export function diskOf(rooms: MemoryRelayDisk['rooms']): MemoryRelayDisk {
  return Object.assign(memoryRelayDisk(), { rooms: structuredClone(rooms) });
}

/** Rows as a store shows them. */
export function rowsOf(store: Store<S>): Record<string, Record<string, unknown>> {
  return { notes: Object.fromEntries(store.table('notes').entries()), answers: Object.fromEntries(store.table('answers').entries()) };
}

/** Rows and mutations as an independent fold of the log finds them. */
export function foldOf(
  disk: MemoryRelayDisk,
  rebirths: readonly { readonly after: number; readonly bytes: Uint8Array }[] = [],
): { readonly rows: Record<string, unknown>; readonly mutations: readonly string[] } {
  const log = disk.rooms.get('room')?.log ?? [];
  const entries = log.map((bytes, index) => ({ seq: index + 1, bytes }));
  const { rows, mutations } = foldLog(entries, rebirths);
  expect(new Set(mutations).size, 'no mutation is in the log twice').toBe(mutations.length);
  return { rows: { notes: {}, answers: {}, ...rows }, mutations };
}

/** A mutation's id as the fold names it. */
export function nameInLog(id: string): string {
  const [replica = '', counter = ''] = id.split('-');
  return `${Number.parseInt(replica, 36)}.${counter}`;
}

/** Resolves as `promise` does; fails when that takes longer than anything here may. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing came of it`)), 60_000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
