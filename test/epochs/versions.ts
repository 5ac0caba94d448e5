import { createStore, defineMutators, defineSchema, reject, table, type ClientStorage, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { createRelay, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { diskOf, storedState, type KINDS, type StoredState } from './disk.ts';

const inputs = {
  write: { input: z.object({ id: z.string(), text: z.string() }) },
  star: { input: z.object({ id: z.string(), stars: z.number().optional() }) },
  drop: { input: z.object({ id: z.string() }) },
};

/** The app as it was. */
export const old = defineSchema({
  schemaVersion: 1,
  tables: {
    notes: { schema: table(z.object({ id: z.string(), text: z.string(), stars: z.number().optional() })) },
    plain: { schema: table(z.object({ id: z.string() })) },
  },
  mutators: { ...inputs, plain: { input: z.object({ id: z.string() }) } },
});

export const oldMutators = defineMutators<typeof old>({
  write: (ctx, note) => ctx.table('notes').set(note.id, note),
  star: (ctx, { id, stars }) => ctx.table('notes').update(id, { stars }),
  drop: (ctx, { id }) => void ctx.table('notes').delete(id),
  plain: (ctx, row) => ctx.table('plain').set(row.id, row),
});

/** Two versions later: `text` is `title`, rows have tags, and rows called `secret` are not wanted any more. */
export const present = defineSchema({
  schemaVersion: 3,
  tables: {
    notes: {
      schema: table(z.object({ id: z.string(), title: z.string(), stars: z.number().max(100).default(0), tags: z.array(z.string()) }), {
        migrations: {
          2: ({ text, ...row }) => ({ ...row, title: text }),
          3(row) {
            if (row.title === 'secret') return undefined;
            if (row.title === 'throws') throw new Error(`what stands in ${String(row.id)}`);
            if (row.title === 'no object') return [] as never;
            if (row.title === 'no json') return { ...row, at: new Date(0) } as never;
            return { ...row, tags: [] };
          },
        },
      }),
    },
    plain: { schema: table(z.object({ id: z.string() })) },
  },
  mutators: inputs,
});

export const presentMutators = defineMutators<typeof present>({
  write(ctx, { id, text }) {
    if (text === 'not any more') reject('app.gone', {});
    ctx.table('notes').set(id, { id, title: text, tags: ['new'] });
  },
  star: (ctx, { id, stars }) => ctx.table('notes').update(id, { stars }),
  drop: (ctx, { id }) => void ctx.table('notes').delete(id),
});

export interface Versions {
  readonly hub: MemoryHub;
  readonly logged: readonly { readonly message: string; readonly error?: unknown }[];
  /** Ends the relay and starts one of that version on the same disk. */
  startOld(): Promise<Relay<typeof old>>;
  startPresent(): Promise<Relay<typeof present>>;
  openOld(userId: string, device?: ClientStorage, room?: string): Store<typeof old>;
  openPresent(userId: string, device?: ClientStorage, room?: string): Store<typeof present>;
  stored(room?: string): Promise<StoredState>;
}

export async function versions(kind: (typeof KINDS)[number]): Promise<Versions> {
  const hub = memoryHub();
  const disk = await diskOf(kind);
  const logged: { message: string; error?: unknown }[] = [];
  const log = (fields: object, message: string): void => void logged.push({ ...fields, message });
  const logger = { info: log, warn: log, error: log };
  let storage: RelayStorage;
  let close = async (): Promise<void> => undefined;
  onTestFinished(() => close());

  async function next(): Promise<{ readonly storage: RelayStorage; readonly acceptors: [ReturnType<MemoryHub['acceptor']>] }> {
    await close();
    storage = disk.open();
    return { storage, acceptors: [hub.acceptor()] };
  }

  return {
    hub,
    logged,
    async startOld() {
      const relay = createRelay({ backend: { schema: old, mutators: oldMutators }, logger, ...(await next()) });
      close = () => relay.close();
      return relay;
    },
    async startPresent() {
      const relay = createRelay({ backend: { schema: present, mutators: presentMutators }, logger, ...(await next()) });
      close = () => relay.close();
      return relay;
    },
    openOld(userId, storageOf = memoryClientStorage({ durable: true }), room = 'room') {
      const transports = [hub.transport(userId)];
      const store = createStore({ schema: old, mutators: oldMutators, room, storage: storageOf, transports, userId });
      onTestFinished(() => store.close());
      return store;
    },
    openPresent(userId, storageOf = memoryClientStorage({ durable: true }), room = 'room') {
      const transports = [hub.transport(userId)];
      const store = createStore({ schema: present, mutators: presentMutators, room, storage: storageOf, transports, userId });
      onTestFinished(() => store.close());
      return store;
    },
    stored: (room) => storedState(storage, room),
  };
}
