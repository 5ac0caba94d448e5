import { defineMutators, type MutatorContext, type Mutators, type TableWriter } from 'cotable';
import type { Equal, Expect } from './expect.ts';
import { mutators, type bare, type S, type Task } from './fixture.ts';

type Ctx = MutatorContext<S>;
type Add = Mutators<S>['add'];

export type Checks = [
  Expect<Equal<typeof mutators, Mutators<S>>>,
  Expect<Equal<keyof Mutators<S>, 'add' | 'finish' | 'say' | 'count'>>,
  Expect<Equal<Parameters<Add>, [ctx: Ctx, input: { id: string; title: string; points?: number | undefined }]>>,
  Expect<Equal<ReturnType<Add>, void | Promise<void>>>,
  Expect<Equal<Parameters<Mutators<S>['count']>[1], number>>,
  Expect<Equal<Ctx['now'], number>>,
  Expect<Equal<Ctx['userId'], string>>,
  Expect<Equal<Parameters<Ctx['table']>[0], 'tasks' | 'people'>>,
  Expect<Equal<Parameters<Ctx['enqueueAction']>[0], 'summarize' | 'measure'>>,
];

const add = (): void => undefined;
const rest = { finish: add, say: add, count: add };

export function used(ctx: Ctx, task: Task): void {
  const tasks = ctx.table('tasks');
  const people = ctx.table('people');
  const read = tasks.get('a');
  const all = tasks.list();
  const entries = tasks.entries();
  const id = ctx.enqueueAction('summarize', { id: 'a' });
  type Read = [
    Expect<Equal<typeof people, TableWriter<Readonly<{ name: string }>, { name: string }>>>,
    Expect<Equal<(typeof all)[number], NonNullable<typeof read>>>,
    Expect<Equal<typeof entries, readonly (readonly [key: string, row: NonNullable<typeof read>])[]>>,
    Expect<Equal<typeof id, string>>,
    Expect<Equal<ReturnType<typeof tasks.delete>, boolean>>,
  ];
  const checked: Read = [true, true, true, true, true];
  void checked;

  // What a mutator reads it may write again, and a default may be left out.
  tasks.set('a', task);
  if (read) tasks.set('b', read);
  tasks.set('a', { id: 'a', title: '', state: 'open', tags: [], place: null });
  tasks.update('a', { note: undefined, points: 3 });
  ctx.enqueueAction('measure', 'text');

  // @ts-expect-error there is no such table
  ctx.table('task');
  // @ts-expect-error a field is missing
  tasks.set('a', { id: 'a', title: '', state: 'open', tags: [] });
  // @ts-expect-error a field has another type
  tasks.set('a', { id: 'a', title: 1, state: 'open', tags: [], place: null });
  // @ts-expect-error a state is open or done
  tasks.set('a', { id: 'a', title: '', state: 'closed', tags: [], place: null });
  // @ts-expect-error there is no such field
  tasks.set('a', { id: 'a', title: '', state: 'open', tags: [], place: null, done: true });
  // @ts-expect-error a key is a string
  tasks.set(1, task);
  // @ts-expect-error there is no such field
  tasks.update('a', { titel: '' });
  // @ts-expect-error a field has another type
  tasks.update('a', { points: '3' });
  // @ts-expect-error a row of one table is none of another
  people.set('a', task);
  // @ts-expect-error a row may not be there
  read.title.toString();
  // @ts-expect-error rows are frozen
  if (read) read.title = 'changed';
  // @ts-expect-error lists are frozen
  all.push(task);
  // @ts-expect-error there is no such action
  ctx.enqueueAction('summarise', { id: 'a' });
  // @ts-expect-error a field of the input is missing
  ctx.enqueueAction('summarize', {});
  // @ts-expect-error a field of the input has another type
  ctx.enqueueAction('summarize', { id: 'a', style: 'medium' });
  // @ts-expect-error an input of another action
  ctx.enqueueAction('measure', { id: 'a' });
  // @ts-expect-error the context stays as it is
  ctx.userId = 'somebody else';
}

export function withoutActions(ctx: MutatorContext<typeof bare>): void {
  ctx.table('rows').set('a', { id: 'a' });
  // @ts-expect-error the schema has no actions
  ctx.enqueueAction('anything', {});
}

export function refused(): void {
  // @ts-expect-error it cannot be told which schema they belong to
  defineMutators({ add, ...rest });
  // @ts-expect-error one is missing
  defineMutators<S>({ ...rest });
  // @ts-expect-error one is not declared
  defineMutators<S>({ add, ...rest, remove: add });
  // @ts-expect-error one is misspelt
  defineMutators<S>({ ...rest, ad: add });
  // @ts-expect-error a mutator is a function
  defineMutators<S>({ add: {}, ...rest });
  // @ts-expect-error its input is what was declared
  defineMutators<S>({ add: (_: MutatorContext<S>, input: { id: number }) => void input, ...rest });
  // @ts-expect-error what the input does not have cannot be taken from it
  defineMutators<S>({ add: (_, { color }) => void color, ...rest });
  // @ts-expect-error a mutator gives nothing back
  defineMutators<S>({ add: async () => 5, ...rest });
  // @ts-expect-error nobody waits for what a generator yields
  defineMutators<S>({ add: async function* () {}, ...rest });
}
