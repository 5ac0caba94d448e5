import { createStore, defineMutators, defineSchema, table, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Actions, type Relay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

/** A chat whose placeholder rows are filled by an action. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    messages: { schema: table(z.object({ id: z.string(), text: z.string(), by: z.string(), done: z.boolean() })) },
    log: { schema: table(z.object({ what: z.string() })) },
  },
  mutators: {
    say: { input: z.object({ id: z.string(), text: z.string() }) },
    note: { input: z.object({ id: z.string(), what: z.string() }) },
    /** Writes down what the first message of the bot says. */
    quote: { input: z.object({ id: z.string() }) },
  },
  actions: {
    answer: {
      input: z.object({ id: z.string(), to: z.string() }),
      output: z.object({ text: z.string(), tries: z.number().default(1) }),
      stream: { kind: 'text' },
    },
    silent: { input: z.object({ id: z.string() }), output: z.object({ ok: z.boolean() }) },
  },
});
export type S = typeof schema;

export const mutators = defineMutators<S>({
  say(ctx, { id, text }) {
    ctx.table('messages').set(id, { id, text, by: ctx.userId, done: true });
    if (!text.startsWith('@bot ')) return;
    const answer = ctx.newId();
    ctx.table('messages').set(answer, { id: answer, text: '', by: 'bot', done: false });
    ctx.enqueueAction('answer', { id: answer, to: text });
  },
  note: (ctx, { id, what }) => ctx.table('log').set(id, { what }),
  quote: (ctx, { id }) =>
    ctx.table('log').set(id, {
      what:
        ctx
          .table('messages')
          .list()
          .find(({ by }) => by === 'bot')?.text ?? 'nothing',
    }),
});

/** A promise that a test lets go. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
}

type Answer = Actions<S>['answer'];
type Silent = Actions<S>['silent'];

export interface Scene {
  readonly open: (userId: string, storage?: ReturnType<typeof memoryClientStorage>) => Store<S>;
  readonly hub: ReturnType<typeof memoryHub>;
  readonly disk: ReturnType<typeof memoryRelayDisk>;
  relay: Relay<S>;
  /** Ends the relay as a crash does, as far as stores and runs can tell, and starts another on the same disk. */
  restart(): Promise<void>;
}

export function scene(actions: { answer?: Answer; silent?: Silent }): Scene {
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  const start = (): Relay<S> =>
    createRelay({
      backend: {
        schema,
        mutators,
        actions: { answer: actions.answer ?? (async () => ({ text: '' })), silent: actions.silent ?? (async () => ({ ok: true })) },
      },
      storage: memoryRelayStorage(disk),
      acceptors: [hub.acceptor()],
    });
  const all: Scene = {
    hub,
    disk,
    relay: start(),
    open(userId, storage = memoryClientStorage({ durable: true })) {
      const store = createStore({ schema, mutators, room: 'room', storage, transports: [hub.transport(userId)], userId });
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

/** The messages of the bot. */
export function answers(store: Store<S>): readonly { readonly text: string; readonly done: boolean }[] {
  return store
    .table('messages')
    .list()
    .filter((message) => message.by === 'bot')
    .map(({ text, done }) => ({ text, done }));
}
