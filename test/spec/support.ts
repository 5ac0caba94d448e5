import {
  createStore,
  defineMutators,
  defineSchema,
  table,
  type Access,
  type ClientStorage,
  type JsonValue,
  type MutatorContext,
  type Mutators,
  type Store,
} from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Limits, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { filter, firstValueFrom, type Observable } from 'rxjs';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

/** Anything JSON to the compiler, and anything at all at run time: what is not JSON is for Cotable to find. */
const anything = z.custom<JsonValue>(() => true);

export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    notes: {
      schema: table(z.object({ id: z.string(), title: z.string(), body: z.string().optional(), stars: z.number().default(0) })),
      description: 'What people write',
    },
    counters: { schema: table(z.object({ n: z.number() })) },
    things: { schema: table(z.object({ value: anything.optional() })) },
    /** Rows whose fields may be called anything. */
    records: { schema: table(z.record(z.string(), anything)) },
  },
  mutators: {
    note: { description: 'Writes a note', input: z.object({ id: z.string(), title: z.string(), body: z.string().optional() }) },
    edit: { input: z.object({ id: z.string(), title: z.string().optional(), body: z.string().optional(), stars: z.number().optional() }) },
    drop: { input: z.object({ id: z.string() }) },
    count: { input: z.object({ id: z.string(), by: z.number().default(1) }) },
    /** Does what the test says. */
    act: { input: anything },
  },
  actions: {
    answer: {
      description: 'Answers a note',
      input: z.object({ id: z.string(), tone: z.string().default('kind') }),
      output: z.object({ text: z.string() }),
    },
  },
});

export type S = typeof schema;
export type Ctx = MutatorContext<S>;
export type Act = (ctx: Ctx, input: JsonValue) => void | Promise<void>;
export type TestStore = Store<S>;

export function mutatorsWith(act: Act = () => undefined): Mutators<S> {
  return defineMutators<S>({
    note: (ctx, note) => ctx.table('notes').set(note.id, note),
    edit: (ctx, { id, ...fields }) => ctx.table('notes').update(id, fields),
    drop: (ctx, { id }) => void ctx.table('notes').delete(id),
    count: (ctx, { id, by }) => ctx.table('counters').set(id, { n: (ctx.table('counters').get(id)?.n ?? 0) + by }),
    act,
  });
}

export interface StoreParts {
  readonly access?: Access<S>;
  readonly act?: Act;
  readonly room?: string;
  /** Default: a memory storage of its own that says it is durable. */
  readonly storage?: ClientStorage;
  readonly token?: () => string | Promise<string>;
}

/** A relay, a network that does as it is told, and stores whose lines in it are called as their users. Ends with the test. */
export interface World {
  readonly hub: MemoryHub;
  readonly relay: Relay<S>;
  /** What the relay keeps. Replaced by `restart`. */
  readonly storage: RelayStorage;
  open(userId: string, parts?: StoreParts): TestStore;
  /** The same, without a way to the relay until `comeBack`. */
  openOffline(userId: string, parts?: StoreParts): TestStore;
  /** No way to the relay from now on. */
  goOffline(userId: string): void;
  /** A way to the relay, tried at once. */
  comeBack(userId: string): void;
  /** Ends the relay and begins another, by default on what the first one kept. */
  restart(parts?: RelayParts): Promise<void>;
}

export interface RelayParts {
  readonly access?: Access<S>;
  readonly act?: Act;
  readonly storage?: RelayStorage;
  readonly schemaVersion?: number;
  readonly limits?: Partial<Limits>;
}

export function createWorld(parts: RelayParts = {}): World {
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  const stores = new Set<TestStore>();
  const users = new Set<string>();
  let storage: RelayStorage;
  let relay = start(parts);
  onTestFinished(async () => {
    await Promise.all([...stores].map((store) => store.close()));
    await relay.close();
  });

  function start(options: RelayParts): Relay<S> {
    storage = options.storage ?? memoryRelayStorage(disk);
    const backend = {
      schema: { ...schema, schemaVersion: options.schemaVersion ?? 1 },
      mutators: mutatorsWith(options.act ?? parts.act),
      access: options.access ?? parts.access,
    };
    return createRelay({ backend, storage, acceptors: [hub.acceptor()], limits: options.limits });
  }

  const world: World = {
    hub,
    get relay() {
      return relay;
    },
    get storage() {
      return storage;
    },
    open(userId, options = {}) {
      users.add(userId);
      const store = createStore({
        schema,
        mutators: mutatorsWith(options.act),
        access: options.access,
        room: options.room ?? 'room',
        storage: options.storage ?? memoryClientStorage({ durable: true }),
        transports: [hub.transport(userId)],
        token: options.token,
        userId,
      });
      stores.add(store);
      return store;
    },
    openOffline(userId, options) {
      world.goOffline(userId);
      return world.open(userId, options);
    },
    goOffline: (userId) => hub.setAvailable(userId, false),
    comeBack(userId) {
      hub.setAvailable(userId, false);
      hub.setAvailable(userId, true);
    },
    async restart(options = {}) {
      await relay.close();
      relay = start(options);
      for (const user of users) world.comeBack(user);
    },
  };
  return world;
}

/** The first value that passes. */
export function when<T>(source: Observable<T>, passes: (value: T) => boolean): Promise<T> {
  return firstValueFrom(source.pipe(filter(passes)));
}

/** The store is online and the relay has judged all that is here. */
export async function level(...stores: readonly TestStore[]): Promise<void> {
  await Promise.all(stores.map((store) => when(store.status$, ({ state, pending }) => state === 'online' && pending === 0)));
}

/** Makes a mutation and waits until the relay keeps it. */
export async function kept(mutation: Promise<{ readonly confirmed: Promise<void> }>): Promise<void> {
  const { confirmed } = await mutation;
  await confirmed;
}

let marks = 0;

/** Waits until the stores hold all that the relay has accepted so far: the log is one order, so a last mutation tells. */
export async function upToDate(world: World, ...stores: readonly TestStore[]): Promise<void> {
  await level(...stores);
  const id = `mark ${++marks}`;
  await world.relay.mutate('room', 'count', { id });
  await Promise.all(stores.map((store) => when(store.table('counters').row$(id), ({ row }) => row !== undefined)));
}

/** All rows but the marks above. */
export function rowsOf(store: TestStore): Readonly<Record<string, unknown>> {
  return {
    notes: store.table('notes').entries(),
    counters: store
      .table('counters')
      .entries()
      .filter(([key]) => !key.startsWith('mark ')),
    things: store.table('things').entries(),
    records: store.table('records').entries(),
  };
}

/** The present turn of the event loop is over, and so are as many more. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise to be resolved by hand. */
export interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

export function createGate(): Gate {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

/** All values from now on. */
export function collect<T>(source: Observable<T>): readonly T[] {
  const values: T[] = [];
  const subscription = source.subscribe((value) => values.push(value));
  onTestFinished(() => subscription.unsubscribe());
  return values;
}
