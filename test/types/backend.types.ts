import {
  createRelay,
  defineBackendConfig,
  type ActionContext,
  type Actions,
  type BackendConfig,
  type NoPlatform,
  type Relay,
  type RelayStorage,
  type ActionFunction,
  type ActionPolicy,
} from 'cotable/relay';
import type { Equal, Expect } from './expect.ts';
import { backend, mutators, schema, type bare, type S } from './fixture.ts';

type Ctx = ActionContext<S, never, NoPlatform, never>;
type Summarize = ActionFunction<S, 'summarize'>;

export type Checks = [
  Expect<Equal<typeof backend, BackendConfig<S>>>,
  Expect<Equal<keyof Actions<S>, 'summarize' | 'measure'>>,
  Expect<Equal<Parameters<Summarize>, [ctx: Ctx, input: { id: string; style: 'short' | 'long' }]>>,
  // An action's function returns what its output's validator takes: a default may be left out.
  Expect<Equal<Awaited<ReturnType<Summarize>>, { text: string; words?: number | undefined; from?: string | undefined }>>,
  Expect<Equal<ReturnType<ActionFunction<S, 'measure'>>, Promise<string>>>,
  Expect<Equal<Actions<S>['measure'], ActionFunction<S, 'measure'> | ActionPolicy<S, 'measure'>>>,
  // An action without a stream can say nothing.
  Expect<Equal<Parameters<Ctx['broadcastStream']>, [piece: never]>>,
  Expect<Equal<keyof Actions<typeof bare>, never>>,
  Expect<Equal<Parameters<Ctx['mutate']>[0], 'add' | 'finish' | 'say' | 'count'>>,
  Expect<Equal<ReturnType<Ctx['mutate']>, Promise<{ readonly id: string }>>>,
  Expect<Equal<Ctx['signal'], AbortSignal>>,
];

declare const storage: RelayStorage;
const { summarize, measure } = backend.actions ?? ({} as Actions<S>);

export async function inAnAction(ctx: Ctx): Promise<void> {
  const people = await ctx.table('people').list();
  const task = await ctx.table('tasks').get('a');
  const queued = await ctx.enqueueAction('summarize', { id: 'a' });
  type Read = [
    Expect<Equal<typeof people, readonly Readonly<{ name: string }>[]>>,
    Expect<Equal<NonNullable<typeof task>['state'], 'open' | 'done'>>,
    Expect<Equal<typeof queued, string>>,
  ];
  const checked: Read = [true, true, true];
  void checked;
  await ctx.mutate('add', { id: 'a' });
  await ctx.mutate('count', '1');

  await ctx.enqueueAction('summarize', { id: 'a' }, { idempotencyKey: 'k', runAfter: 1_000 });
  const stepped = await ctx.step('s', async () => ({ at: 1 }));
  type Stepped = Expect<Equal<typeof stepped, { at: number }>>;
  const checkedToo: Stepped = true;
  void checkedToo;
  // @ts-expect-error there is no such option
  await ctx.enqueueAction('summarize', { id: 'a' }, { after: 1_000 });
  // @ts-expect-error a time is a Date
  await ctx.enqueueAction('summarize', { id: 'a' }, { runAt: 1_000 });

  // @ts-expect-error reading is waiting
  void ctx.table('people').list().length;
  // @ts-expect-error an action writes through mutators
  await ctx.table('people').set('a', { name: 'a' });
  // @ts-expect-error there is no such table
  ctx.table('person');
  // @ts-expect-error there is no such mutator
  await ctx.mutate('ad', { id: 'a' });
  // @ts-expect-error a field of the input has another type
  await ctx.mutate('add', { id: 1 });
  // @ts-expect-error there is no such field
  await ctx.mutate('add', { id: 'a', done: true });
  // @ts-expect-error an input of another mutator
  await ctx.mutate('count', { id: 'a' });
  // @ts-expect-error there is no such action
  await ctx.enqueueAction('add', { id: 'a' });
  // @ts-expect-error a field of the input is missing
  await ctx.enqueueAction('summarize', {});
}

export function defined(): void {
  // The schema's type may be given or inferred, and a plain object of the same shape works.
  const inferred = defineBackendConfig({ schema, mutators, actions: { summarize, measure } });
  type Inferred = Expect<Equal<typeof inferred, BackendConfig<S>>>;
  const checked: Inferred = true;
  void checked;
  defineBackendConfig({ schema, mutators });
  const plain = { schema, mutators, actions: { summarize, measure } };
  const relay = createRelay({ backend: plain, storage });
  type Plain = Expect<Equal<typeof relay, Relay<S>>>;
  const checkedToo: Plain = true;
  void checkedToo;

  // @ts-expect-error a mutator is missing
  defineBackendConfig<S>({ schema, mutators: { add: mutators.add } });
  // @ts-expect-error a mutator is not declared
  defineBackendConfig<S>({ schema, mutators: { ...mutators, remove: mutators.add } });
  // @ts-expect-error an action is missing
  defineBackendConfig<S>({ schema, mutators, actions: { summarize } });
  // @ts-expect-error an action is not declared
  defineBackendConfig<S>({ schema, mutators, actions: { summarize, measure, guess: measure } });
  // @ts-expect-error an action's output has another type
  defineBackendConfig<S>({ schema, mutators, actions: { measure, summarize: async () => ({ text: 1 }) } });
  // @ts-expect-error an action's output lacks a field
  defineBackendConfig<S>({ schema, mutators, actions: { measure, summarize: async () => ({ words: 1 }) } });
  // @ts-expect-error an action gives something back
  defineBackendConfig<S>({ schema, mutators, actions: { measure, summarize: async () => {} } });
  // @ts-expect-error an action gives a promise
  defineBackendConfig<S>({ schema, mutators, actions: { measure, summarize: () => ({ text: '' }) } });
  // @ts-expect-error what the input does not have cannot be taken from it
  defineBackendConfig<S>({ schema, mutators, actions: { measure, summarize: async (_, { color }) => ({ text: color }) } });
  // @ts-expect-error the functions of another schema
  defineBackendConfig<typeof bare>({ schema: {} as typeof bare, mutators });
  // @ts-expect-error a plain object is checked too
  createRelay({ backend: { schema, mutators: { add: mutators.add } }, storage });
  // @ts-expect-error a relay has a storage
  createRelay({ backend });
}

/** Policies are typed by the schema. */
export const policy: ActionPolicy<S, 'summarize'> = {
  run: async (_, { style }) => ({ text: style }),
  delivery: 'at-most-once',
  retry: { attempts: 5 },
  timeoutMs: 1_000,
  // The key gets what the validator gives, a schedule gives what it takes.
  concurrency: {
    key: ({ style }: { style: 'short' | 'long' }, { userId, room }) => `${style} ${userId} ${room}`,
    limit: 2,
    strategy: 'join',
  },
  cron: [{ schedule: '* * * * *', room: 'room', input: { id: 'a' } }],
  onSettled(ctx, run) {
    if (run.status === 'succeeded') ctx.table('tasks').update(run.input.id, { note: run.output.text });
    else ctx.table('tasks').update(run.input.id, { note: `${run.status} ${run.error.code}` });
    ctx.cancelAction(run.id);
  },
};

export function wrongPolicies(run: ActionFunction<S, 'summarize'>): void {
  const take = (_: ActionPolicy<S, 'summarize'>): void => undefined;
  // @ts-expect-error there is no such delivery
  take({ run, delivery: 'twice' });
  // @ts-expect-error there is no such strategy
  take({ run, concurrency: { strategy: 'drop' } });
  // @ts-expect-error the input has no such field
  take({ run, concurrency: { key: ({ color }) => color } });
  // @ts-expect-error a key is a text
  take({ run, concurrency: { key: () => 5 } });
  // @ts-expect-error a schedule says in which room
  take({ run, cron: { schedule: '* * * * *', input: { id: 'a' } } });
  // @ts-expect-error the input of a schedule is that of its action
  take({ run, cron: { schedule: '* * * * *', room: 'room', input: { name: 'a' } } });
  // @ts-expect-error there is no such part
  take({ run, retries: 3 });
}

export async function ran(relay: Relay<S>): Promise<void> {
  const { id } = await relay.mutate('room', 'say', { text: 'hello' });
  id.toUpperCase();
  for await (const { id: run, room, input, status } of relay.runs.list({ status: ['failed', 'expired'] })) {
    type Input = Expect<Equal<typeof input, unknown>>;
    const checked: Input = true;
    void checked;
    await relay.runs.redrive({ room, id: run });
    // @ts-expect-error a run never has this status
    if (status === 'dead') await relay.drain(room);
  }
  // @ts-expect-error a run is named by its room too
  await relay.runs.cancel({ id });
  // @ts-expect-error there is no such status
  relay.runs.list({ status: 'dead' });
  // @ts-expect-error there is no such mutator
  await relay.mutate('room', 'remove', { id: 'a' });
  // @ts-expect-error a field of the input is missing
  await relay.mutate('room', 'add', {});
  // @ts-expect-error an input of another mutator
  await relay.mutate('room', 'count', { id: 'a' });
}
