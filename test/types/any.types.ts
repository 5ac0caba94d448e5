import type {
  AnyCotableError,
  InOf,
  MutationReceipt,
  MutatorContext,
  Mutators,
  OutOf,
  Rejection,
  ResultInOf,
  RowInputOf,
  RowOf,
  Store,
  StoreStatus,
} from 'cotable';
import type { ActionContext, Actions, BackendConfig, Relay } from 'cotable/relay';
import type { useQuery, useStatus, useStore } from 'cotable/react';
import type { chatSchema } from '../seed-chat/schema.ts';
import type { AnyIn, Expect, ExpectNot, IsAny, Nowhere } from './expect.ts';
import type { bare, S } from './fixture.ts';

type Tables<T extends S | Chat> = { [N in keyof T['tables'] & string]: [RowOf<T, N>, RowInputOf<T, N>] };
type Calls<T extends S | Chat> = {
  [N in keyof T['mutators']]: [InOf<T['mutators'][N]>, OutOf<T['mutators'][N]>];
} & { [N in keyof T['actions']]: [InOf<T['actions'][N]>, OutOf<T['actions'][N]>, ResultInOf<T['actions'][N]>] };
type Chat = typeof chatSchema;

const tables = (mutator: MutatorContext<Chat>, action: ActionContext<Chat>, store: Store<Chat>) => [
  mutator.table('messages'),
  action.table('messages'),
  store.table('messages'),
];

/** Nothing that is reached from a schema is `any`, however it was come by. */
export type Checks = [
  Nowhere<AnyIn<S>>,
  Nowhere<AnyIn<Chat>>,
  Nowhere<AnyIn<typeof bare>>,
  Nowhere<AnyIn<Tables<S>>>,
  Nowhere<AnyIn<Tables<Chat>>>,
  Nowhere<AnyIn<Calls<S>>>,
  Nowhere<AnyIn<Calls<Chat>>>,
  Nowhere<AnyIn<Mutators<S>>>,
  Nowhere<AnyIn<Mutators<Chat>>>,
  Nowhere<AnyIn<MutatorContext<S>>>,
  Nowhere<AnyIn<ReturnType<typeof tables>>>,
  Nowhere<AnyIn<Actions<S>>>,
  Nowhere<AnyIn<ActionContext<S>['mutate']>>,
  Nowhere<AnyIn<BackendConfig<S>>>,
  Nowhere<AnyIn<Store<S>['mutate']>>,
  Nowhere<AnyIn<Store<Chat>['mutate']>>,
  Nowhere<AnyIn<Awaited<ReturnType<Store<S>['mutate']['add']>>>>,
  Nowhere<AnyIn<MutationReceipt>>,
  Nowhere<AnyIn<StoreStatus>>,
  Nowhere<AnyIn<Rejection>>,
  Nowhere<AnyIn<Parameters<Relay<S>['mutate']>>>,
  Nowhere<AnyIn<ReturnType<typeof useQuery<RowOf<S, 'tasks'>>>>>,
  Nowhere<AnyIn<ReturnType<typeof useStore<S>>['mutate']>>,
  Nowhere<AnyIn<ReturnType<typeof useStatus>>>,
  Nowhere<AnyIn<AnyCotableError['params']>>,
];

type WithAny = { readonly rows: readonly { readonly id: string; readonly value: ReturnType<typeof JSON.parse> }[] };

/** The checks themselves find what they look for. */
export type CheckedChecks = [
  Expect<IsAny<ReturnType<typeof JSON.parse>>>,
  ExpectNot<IsAny<unknown>>,
  ExpectNot<IsAny<never>>,
  Expect<'any' extends AnyIn<WithAny> ? true : false>,
  Expect<'any' extends AnyIn<(input: WithAny) => Promise<void>> ? true : false>,
  Expect<'any' extends AnyIn<() => Promise<{ readonly deep: WithAny }>> ? true : false>,
];
