import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import {
  createClient,
  createTypedClient,
  type FlowEvent,
  type FlowItem,
  type FlowRow,
  type FlowRun,
  type TypedClient,
} from 'cotable/client';
import { FlowProvider, useSession } from 'cotable/react';
import { defineBackendConfig, defineFlow, definePlatform, pipeline, type FlowContext } from 'cotable/relay';
import { createElement } from 'react';
import { z } from 'zod';
import type { AnyIn, Equal, Expect, IsAny, Nowhere } from './expect.ts';
import { schema } from './fixture.ts';

const count = async (text: string, ctx: FlowContext): Promise<{ readonly words: number; readonly by: string }> => {
  const rows = await ctx.table('items').list();
  const checked: Expect<Equal<typeof rows, readonly FlowRow[]>> = true;
  return { words: text.split(' ').length + (checked ? 0 : 1), by: ctx.userId };
};

export const flow = defineFlow({
  kind: 'my-app',
  actions: {
    chat: {
      inputSchema: z.object({ message: z.string(), loud: z.boolean().default(false) }),
      userMessage: (input) => {
        // @ts-expect-error it is text
        void input.message.toFixed;
        return input.message satisfies string;
      },
      block: pipeline((input: { message: string; loud: boolean }) => (input.loud ? input.message.toUpperCase() : input.message), count),
    },
    inline: {
      inputSchema: z.object({ at: z.string().transform(Number) }),
      block: async (input, ctx) => {
        const checked: [Expect<Equal<typeof input, { at: number }>>, Expect<Equal<typeof ctx, FlowContext>>] = [true, true];
        return { at: input.at, checked: checked.length > 0 };
      },
      concurrency: { key: ({ at }) => String(at) },
    },
    reset: { inputSchema: z.object({}), block: () => {} },
  },
  hooks: { onFailed: (request, error) => void `${request.userId} ${error.code}` },
});

defineFlow({
  kind: 'wrong',
  actions: {
    // @ts-expect-error the block takes another input than the schema gives
    a: { inputSchema: z.object({ n: z.number() }), block: (input: { n: string }) => input.n },
    // @ts-expect-error a message is text
    b: { inputSchema: z.object({ n: z.number() }), block: () => 1, userMessage: (input) => input.n },
    // @ts-expect-error there is no such field
    c: { inputSchema: z.object({ n: z.number() }), block: (input) => input.m },
    // @ts-expect-error no validator
    d: { inputSchema: 'text', block: () => 1 },
    e: {
      inputSchema: z.object({ text: z.string() }),
      // @ts-expect-error the first part of a pipeline takes another input than the schema gives
      block: pipeline((input: string) => input.length, String),
    },
  },
});
const lengthOf = (text: string): number => text.length;
const same = (text: string): string => text;
// @ts-expect-error the second part takes text, the first one gives a number
pipeline(lengthOf, same);
// @ts-expect-error so it is further back
pipeline(same, same, lengthOf, same, same);

type Chat = { readonly words: number; readonly by: string };
type Client = TypedClient<typeof flow>;
type ChatOf = Client['actions']['chat'];
type Actions = [
  Expect<Equal<keyof Client['actions'], 'chat' | 'inline' | 'reset'>>,
  Expect<Equal<Parameters<ChatOf>[0], { message: string; loud?: boolean | undefined }>>,
  Expect<Equal<Awaited<ReturnType<ChatOf>>, FlowRun<Chat>>>,
  Expect<Equal<Parameters<Client['actions']['inline']>[0], { at: string }>>,
  Expect<Equal<Awaited<Awaited<ReturnType<Client['actions']['inline']>>['result']>, { at: number; checked: boolean }>>,
  Expect<Equal<Awaited<ReturnType<Client['actions']['reset']>>, FlowRun<void>>>,
];
export const actions: Actions = [true, true, true, true, true, true];
type Clean = [
  // How a loop asks for more is typed by the language, loosely.
  Nowhere<AnyIn<Omit<FlowRun<Chat>, typeof Symbol.asyncIterator>>>,
  Nowhere<AnyIn<Parameters<ChatOf>[0]>>,
  Nowhere<AnyIn<FlowEvent<Chat>>>,
  Nowhere<AnyIn<FlowContext>>,
  Nowhere<AnyIn<typeof flow.actions.chat.block>>,
];
export type { Clean };

export async function call(): Promise<unknown> {
  const client = createTypedClient({ flow, userId: 'user_1' });
  const byType = createTypedClient<typeof flow>({ flow: 'my-app', userId: 'user_1' });
  const isSame: Expect<Equal<typeof client, typeof byType>> = true;
  // @ts-expect-error there is no such action
  void client.actions.invalid({ message: 'Hello!' });
  // @ts-expect-error another input
  void client.actions.chat({ text: 'Hello!' });
  // @ts-expect-error another input
  void byType.actions.chat({ message: 1 });
  // @ts-expect-error a flow of this type has another kind
  createTypedClient<typeof flow>({ flow: 'other', userId: 'user_1' });
  const run = await client.actions.chat({ message: 'Hello!' });
  for await (const event of run) {
    if (event.type === 'content.delta') event.delta satisfies string;
    if (event.type === 'item.done') event.item satisfies FlowItem;
    if (event.type === 'request.failed') event.error.errorCode satisfies string;
    if (event.type === 'request.completed') {
      const result: Expect<Equal<typeof event.result, Chat>> = true;
      void result;
    }
    // @ts-expect-error not every event has it
    void event.delta;
  }
  const untyped = await createClient({ flowKind: 'my-app' }).sendAction('anything', { at: 'all' });
  const unknown: Expect<Equal<Awaited<typeof untyped.result>, unknown>> = true;
  return [isSame, unknown];
}

export function Session(): unknown {
  const session = useSession<typeof flow>('id');
  const items: Expect<Equal<typeof session.items, readonly FlowItem[]>> = true;
  void session.sendAction('chat', { message: 'Hello!' }).then(({ result }) => result.then(({ words }) => words satisfies number));
  // @ts-expect-error there is no such action
  void session.sendAction('invalid', {});
  // @ts-expect-error another input
  void session.sendAction('chat', {});
  // @ts-expect-error it cannot be told of which flow it is
  void useSession('id').sendAction('chat', { message: 'Hello!' });
  return [items, createElement(FlowProvider, { client: createTypedClient({ flow }) })];
}

export const store = createStore({
  schema: flow.schema,
  mutators: flow.mutators,
  access: flow.access,
  room: 'session',
  storage: memoryClientStorage(),
  transports: [],
});
const rows = store.table('items').list();
export const row: [Expect<Equal<(typeof rows)[number], Readonly<FlowRow>>>, Expect<Equal<IsAny<(typeof rows)[number]>, false>>] = [
  true,
  true,
];

export const platform = definePlatform({});
export const backend = defineBackendConfig<typeof schema>({
  schema,
  mutators: {} as never,
  actions: {} as never,
  flows: [flow],
});
// @ts-expect-error no flow
defineBackendConfig<typeof schema>({ schema, mutators: {} as never, actions: {} as never, flows: [{ kind: 'x' }] });
