import {
  createStore,
  defineMutators,
  defineSchema,
  type ActionName,
  type Store,
  type StreamPieceOf,
  type StreamStateOf,
  type StreamView,
} from 'cotable';
import { useStream } from 'cotable/react';
import { createStreamThrottle, defineBackendConfig, type ActionContext, type ActionFunction, type StreamThrottle } from 'cotable/relay';
import { z } from 'zod';
import type { Equal, Expect } from './expect.ts';

export const schema = defineSchema({
  schemaVersion: 1,
  tables: {},
  mutators: {},
  actions: {
    text: { input: z.string(), output: z.string(), stream: { kind: 'text' } },
    items: {
      input: z.string(),
      output: z.string(),
      stream: { kind: 'items', of: z.object({ chunk: z.string(), n: z.number().default(1) }) },
    },
    value: { input: z.string(), output: z.string(), stream: { kind: 'value', of: z.number() } },
    mute: { input: z.string(), output: z.string() },
  },
});
export type S = typeof schema;
type Actions = S['actions'];
type Ctx<N extends ActionName<S>> = Parameters<ActionFunction<S, N>>[0];
declare const store: Store<S>;

export type Checks = [
  Expect<Equal<Parameters<Ctx<'text'>['stream']>, [piece: string]>>,
  // Said is what the validator takes, seen is what it gives.
  Expect<Equal<Parameters<Ctx<'items'>['broadcastStream']>, [piece: { chunk: string; n?: number | undefined }]>>,
  Expect<Equal<Parameters<Ctx<'value'>['streamTo']>, [userOrSessionIds: readonly string[], piece: number]>>,
  Expect<Equal<Parameters<Ctx<'mute'>['stream']>, [piece: never]>>,
  Expect<Equal<NonNullable<Ctx<'text'>['previous']>['state'], string>>,
  Expect<Equal<NonNullable<Ctx<'items'>['previous']>['state'], readonly { chunk: string; n: number }[]>>,
  Expect<Equal<StreamPieceOf<Actions['items']>, { chunk: string; n: number }>>,
  Expect<Equal<StreamStateOf<Actions['value']>, number | undefined>>,
  Expect<Equal<StreamStateOf<Actions['mute']>, never>>,
  Expect<Equal<Store<S>['sessionId'], string | undefined>>,
];

export function useLooked(): void {
  const text = store.stream('text', 'id');
  const items = store.stream('items', 'id');
  const value = store.stream('value', 'id');
  const shown = useStream(value);
  type Looked = [
    Expect<Equal<typeof text, StreamView<string, string>>>,
    Expect<Equal<typeof items, StreamView<{ chunk: string; n: number }, readonly { chunk: string; n: number }[]>>>,
    Expect<Equal<typeof value, StreamView<number, number | undefined>>>,
    Expect<Equal<typeof shown.state, number | undefined>>,
    Expect<Equal<typeof shown.open, boolean>>,
  ];
  const checked: Looked = [true, true, true, true, true];
  void checked;
  // @ts-expect-error there is no such action
  store.stream('txt', 'id');
}

export function said(ctx: { readonly [N in ActionName<S>]: Ctx<N> }): void {
  const bare = createStreamThrottle({ field: false });
  const chunks = createStreamThrottle();
  type Throttles = [
    Expect<Equal<typeof bare, StreamThrottle<string>>>,
    Expect<Equal<typeof chunks, StreamThrottle<{ readonly chunk: string }>>>,
  ];
  const checked: Throttles = [true, true];
  void checked;
  bare.push('x', ctx.text.stream);
  bare.push('x', (piece) => ctx.text.streamTo(['a'], piece));
  chunks.push('x', ctx.items.broadcastStream);
  chunks.flush((piece) => ctx.items.streamTo(['a'], piece));
  // @ts-expect-error a text stream takes strings
  chunks.push('x', ctx.text.stream);
  // @ts-expect-error these items are objects
  bare.push('x', ctx.items.stream);
  // @ts-expect-error the field has another name
  createStreamThrottle({ field: 'text' }).push('x', ctx.items.stream);
  // @ts-expect-error an action without a stream can say nothing
  chunks.push('x', ctx.mute.stream);
  // @ts-expect-error streamTo has two parameters
  chunks.push('x', ctx.items.streamTo);
  // @ts-expect-error a piece of another kind
  ctx.value.stream('1');
  // @ts-expect-error a field is missing
  ctx.items.stream({ n: 1 });
}

/** What another function takes of a context, whatever its action is. */
export function helper(ctx: ActionContext<S, string>): void {
  ctx.broadcastStream('x');
}

export function declared(): void {
  const mutators = defineMutators<S>({});
  defineBackendConfig<S>({
    schema,
    mutators,
    actions: {
      async text(ctx) {
        helper(ctx);
        return ctx.previous?.state ?? '';
      },
      items: async () => '',
      value: async () => '',
      mute: async () => '',
    },
  });
  void createStore;
  const parts = { input: z.string(), output: z.string() };
  // @ts-expect-error there is no such kind
  defineSchema({ schemaVersion: 1, tables: {}, mutators: {}, actions: { odd: { ...parts, stream: { kind: 'odd' } } } });
  // @ts-expect-error items are of something
  defineSchema({ schemaVersion: 1, tables: {}, mutators: {}, actions: { items: { ...parts, stream: { kind: 'items' } } } });
}
