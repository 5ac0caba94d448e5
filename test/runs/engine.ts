import { createStore, defineMutators, defineSchema, table, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type ActionPolicy, type LimitOptions, type Relay, type RelayStorage, type Run } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { onTestFinished, vi } from 'vitest';
import { z } from 'zod';

/** Rows that tell what runs did, and mutators that ask for runs in every way. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    log: { schema: table(z.object({ what: z.string(), count: z.number() })) },
    /** By run. */
    ends: { schema: table(z.object({ status: z.string(), code: z.string(), count: z.number(), text: z.string(), input: z.string() })) },
  },
  mutators: {
    note: { input: z.object({ id: z.string(), what: z.string().default('') }) },
    /** Asks for work, and notes the run's id as it was told. */
    ask: { input: z.object({ id: z.string(), key: z.string().optional(), runAfter: z.number().optional(), runAt: z.number().optional() }) },
    stop: { input: z.object({ run: z.string() }) },
    /** Asks for work and cancels it, or the other way round. */
    askAndStop: { input: z.object({ id: z.string(), key: z.string(), stopFirst: z.boolean() }) },
  },
  actions: {
    work: {
      input: z.object({ id: z.string(), lane: z.string().default('') }),
      output: z.object({ said: z.string() }),
      stream: { kind: 'text' },
    },
    other: { input: z.object({ id: z.string() }), output: z.object({ said: z.string() }) },
  },
});
export type S = typeof schema;
export type Work = ActionPolicy<S, 'work'>;
export type Other = ActionPolicy<S, 'other'>;

export const mutators = defineMutators<S>({
  note: (ctx, { id, what }) => ctx.table('log').set(id, { what, count: (ctx.table('log').get(id)?.count ?? 0) + 1 }),
  ask(ctx, { id, key, runAfter, runAt }) {
    const run = ctx.enqueueAction(
      'work',
      { id },
      { ...(key && { idempotencyKey: key }), ...(runAfter && { runAfter }), ...(runAt && { runAt: new Date(runAt) }) },
    );
    ctx.table('log').set(id, { what: run, count: 1 });
  },
  stop: (ctx, { run }) => ctx.cancelAction(run),
  askAndStop(ctx, { id, key, stopFirst }) {
    const ask = (): string => ctx.enqueueAction('work', { id }, { idempotencyKey: key });
    if (stopFirst) ctx.cancelAction(`key:${ctx.userId}:work:${key}`);
    const run = ask();
    if (!stopFirst) ctx.cancelAction(run);
  },
});

/** Writes how a run ended, and how often. */
export const noteEnd: NonNullable<Work['onSettled']> = (ctx, { id, status, error, text, input }) => {
  const count = (ctx.table('ends').get(id)?.count ?? 0) + 1;
  ctx.table('ends').set(id, { status, code: error?.code ?? '', count, text, input: input.id });
};

export interface Engine {
  readonly hub: ReturnType<typeof memoryHub>;
  readonly disk: ReturnType<typeof memoryRelayDisk>;
  /** What lies on the disk, whoever has crashed. */
  readonly storage: RelayStorage;
  /** Names of the calls that relays have made of their storage. */
  readonly calls: string[];
  relay: Relay<S>;
  store(userId: string, room?: string): Store<S>;
  /** The relay vanishes in the middle of everything; its storage hears no more of it. */
  crash(): void;
  /** Starts a relay on the disk, as another owner if one is given. */
  start(owner?: string): Relay<S>;
  /** All runs, by the input's id. */
  runs(): Promise<Readonly<Record<string, Run>>>;
  /** How runs of `work` ended, by the input's id, as the room has it: `status code count`. */
  ends(room?: string): Promise<Readonly<Record<string, string>>>;
}

export interface EngineOptions {
  readonly work?: Partial<Work> | undefined;
  readonly other?: Partial<Other> | undefined;
  readonly limits?: LimitOptions;
  readonly errors?: unknown[];
}

export function engine({ work, other, limits, errors = [] }: EngineOptions): Engine {
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  const storage = memoryRelayStorage(disk);
  const calls: string[] = [];
  const open: { relay: Relay<S>; crash: () => void; isCrashed: boolean }[] = [];
  const all: Engine = {
    hub,
    disk,
    storage,
    calls,
    relay: undefined as never,
    store(userId, room = 'room') {
      const transports = [hub.transport(userId)];
      const store = createStore({ schema, mutators, room, storage: memoryClientStorage({ durable: true }), transports, userId });
      onTestFinished(() => store.close());
      return store;
    },
    crash() {
      const last = open.at(-1);
      last?.crash();
      if (last) last.isCrashed = true;
      hub.cut();
    },
    start(owner) {
      const { mortal, crash } = mortalStorage(memoryRelayStorage(disk), calls);
      const relay = createRelay({
        backend: {
          schema,
          mutators,
          actions: {
            work: { run: async () => ({ said: '' }), onSettled: noteEnd, ...work },
            other: { run: async () => ({ said: '' }), ...other },
          },
        },
        storage: { ...mortal, ...(owner !== undefined && { owner }) },
        acceptors: [hub.acceptor()],
        ...(limits && { limits }),
        logger: {
          info: () => undefined,
          warn: () => undefined,
          error: (fields, message) => errors.push({ message, error: fields['error'] }),
        },
      });
      open.push({ relay, crash, isCrashed: false });
      all.relay = relay;
      return relay;
    },
    async runs() {
      const runs: Record<string, Run> = {};
      for await (const run of all.relay.runs.list()) runs[(run.input as { readonly id: string }).id] = run;
      return runs;
    },
    async ends(room = 'room') {
      const store = all.store('reader', room);
      await store.synced;
      const ends = store.table('ends').list();
      await store.close();
      return Object.fromEntries(ends.map(({ input, status, code, count }) => [input, `${status} ${code} ${count}`]));
    },
  };
  all.start();
  onTestFinished(async () => {
    for (const { relay, isCrashed } of open) if (!isCrashed) await relay.close({ graceMs: 0 });
  });
  return all;
}

/** A storage whose relay may vanish: from then on it gets no call and answers none. */
export function mortalStorage(real: RelayStorage, calls: string[]): { readonly mortal: RelayStorage; readonly crash: () => void } {
  let isDead = false;
  const wrap =
    (name: string, call: (...args: readonly unknown[]) => Promise<unknown>) =>
    (...args: readonly unknown[]) => {
      if (isDead) return new Promise(() => undefined);
      calls.push(name);
      return new Promise((resolve, reject) => {
        call(...args).then(
          (value) => isDead || resolve(value),
          (error: unknown) => isDead || reject(error as Error),
        );
      });
    };
  const entries = Object.entries(real).map(([name, value]) => [name, typeof value === 'function' ? wrap(name, value) : value]);
  return { mortal: Object.fromEntries(entries) as RelayStorage, crash: () => void (isDead = true) };
}

/** Real turns of the event loop, while timers stand still. */
export async function turns(count = 30): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time stands still until `pass`. Call it first: clocks are read from the beginning. */
export function stopTime(): { readonly pass: (ms: number) => Promise<void> } {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_750_000_000_000 });
  onTestFinished(() => void vi.useRealTimers());
  return {
    async pass(ms) {
      await turns();
      const steps = Math.min(400, Math.max(1, ms));
      for (let step = 1; step <= steps; step++) {
        vi.advanceTimersByTime(Math.floor((ms * step) / steps) - Math.floor((ms * (step - 1)) / steps));
        await turns(6);
      }
      await turns();
    },
  };
}
