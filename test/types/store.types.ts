import {
  createStore,
  defineAccess,
  isCotableError,
  reject,
  type ClientStorage,
  type MutationReceipt,
  type Store,
  type StoreStatus,
  type TableView,
  type Transport,
} from 'cotable';
import type { Observable } from 'rxjs';
import type { Equal, Expect } from './expect.ts';
import { mutators, schema, store, type bare, type S } from './fixture.ts';

type Made = Store<S>;
type Tasks = ReturnType<typeof tasks>;
const tasks = () => store.table('tasks');

export type Checks = [
  Expect<Equal<keyof Made['mutate'], 'add' | 'finish' | 'say' | 'count'>>,
  Expect<Equal<Parameters<Made['mutate']['add']>, [input: { id: string; title?: string | undefined; points?: number | undefined }]>>,
  Expect<Equal<Parameters<Made['mutate']['count']>, [input: string]>>,
  Expect<Equal<Parameters<Made['mutate']['say']>, [input: { text: string; loud?: boolean }]>>,
  Expect<Equal<ReturnType<Made['mutate']['add']>, Promise<MutationReceipt>>>,
  Expect<Equal<MutationReceipt['confirmed'], Promise<void>>>,
  Expect<Equal<ReturnType<Tasks['get']>, ReturnType<Tasks['list']>[number] | undefined>>,
  Expect<Equal<Tasks['rows$'], Observable<ReturnType<Tasks['list']>>>>,
  Expect<Equal<NonNullable<ReturnType<Tasks['get']>>['state'], 'open' | 'done'>>,
  Expect<
    Equal<Made['status']['state'], 'loading' | 'offline' | 'connecting' | 'online' | 'alone' | 'needs-auth' | 'denied' | 'error' | 'closed'>
  >,
  Expect<Equal<Made['status$'], Observable<StoreStatus>>>,
];

declare const storage: ClientStorage;
declare const transports: readonly Transport[];

export function made(): void {
  const inferred = createStore({ schema, mutators, room: 'room', storage, transports });
  const people = inferred.table('people');
  type Inferred = [Expect<Equal<typeof inferred, Store<S>>>, Expect<Equal<typeof people, TableView<Readonly<{ name: string }>>>>];
  const checked: Inferred = [true, true];
  void checked;
  createStore({ schema, mutators, room: 'room', storage, transports, userId: 'alice', token: async () => 'token' });

  // @ts-expect-error a store has a room
  createStore({ schema, mutators, storage, transports });
  // @ts-expect-error a store has mutators
  createStore({ schema, room: 'room', storage, transports });
  // @ts-expect-error one is missing
  createStore({ schema, mutators: { add: mutators.add }, room: 'room', storage, transports });
  // @ts-expect-error the mutators of another schema
  createStore({ schema: {} as typeof bare, mutators, room: 'room', storage, transports });
  // @ts-expect-error a token is a text
  createStore({ schema, mutators, room: 'room', storage, transports, token: () => 1 });
}

export async function used(): Promise<void> {
  await store.mutate.add({ id: 'a' });
  await store.mutate.say({ text: 'hello' });
  const { id, stored, confirmed } = await store.mutate.count('1');
  await Promise.all([stored, confirmed]);
  id.toUpperCase();
  store.table('tasks').changes$.subscribe((changes) => changes.map(({ before, after }) => after?.points ?? before?.points));
  store
    .table('tasks')
    .row$('a')
    .subscribe(({ row, pending }) => [row?.title.length, pending === true]);

  // @ts-expect-error there is no such mutator
  await store.mutate.remove({ id: 'a' });
  // @ts-expect-error an input is missing
  await store.mutate.add();
  // @ts-expect-error a field is missing
  await store.mutate.add({});
  // @ts-expect-error a field has another type
  await store.mutate.add({ id: 1 });
  // @ts-expect-error there is no such field
  await store.mutate.add({ id: 'a', done: true });
  // @ts-expect-error what goes in is a text; a number comes out
  await store.mutate.count(1);
  // @ts-expect-error mutators stay as they are
  store.mutate.add = store.mutate.finish;
  // @ts-expect-error there is no such table
  store.table('task');
  // @ts-expect-error a store's tables are for reading
  store.table('tasks').set('a', {});
  // @ts-expect-error a row may not be there
  store.table('tasks').get('a').title.toString();
  // @ts-expect-error there is no such field
  void store.table('tasks').list()[0]?.titel;
  const [person] = store.table('people').list();
  // @ts-expect-error rows are frozen
  if (person) person.name = 'changed';
  // @ts-expect-error lists are frozen
  store.table('people').list().push({ name: 'bob' });
  // @ts-expect-error lists are frozen
  store.table('people').entries().sort();
  // @ts-expect-error the status is one of six words
  void (store.status.state === 'ready');
  // @ts-expect-error an id is a string
  store.table('tasks').row$(1);
}

export const rules = defineAccess<S>({
  tables: {
    tasks: {
      insert: (ctx, { key, after }) => after.title !== key && ctx.table('people').has(ctx.userId),
      update: (_, { before, after, fields }) => before.state === after.state && !fields.includes('points'),
      delete: (_, { before }) => before.state === 'done' || reject('task.open'),
    },
  },
});
void createStore({ schema, mutators, access: rules, room: 'room', storage, transports });
void [
  // @ts-expect-error rules say which schema they are for
  defineAccess({ tables: {} }),
  // @ts-expect-error there is no such table
  defineAccess<S>({ tables: { task: {} } }),
  // @ts-expect-error there is no such field
  defineAccess<S>({ tables: { tasks: { update: (_, { fields }) => fields.includes('titel') } } }),
  // @ts-expect-error a row that is made has no before
  defineAccess<S>({ tables: { tasks: { insert: (_, { before }) => before } } }),
  // @ts-expect-error a rule answers at once
  defineAccess<S>({ tables: { tasks: { delete: () => Promise.resolve(true) } } }),
  // @ts-expect-error a rule only reads
  defineAccess<S>({ tables: { tasks: { delete: (ctx, { key }) => ctx.table('tasks').delete(key) } } }),
];

export function failed(error: unknown): string | number {
  if (isCotableError(error, 'row.notFound')) return error.params.key;
  if (isCotableError(error, 'mutation.tooLarge')) return error.params.limit;
  // @ts-expect-error params are those of the code
  if (isCotableError(error, 'row.invalid')) return error.params.limit;
  if (isCotableError(error)) {
    switch (error.code) {
      case 'value.notJson':
        return error.params.path;
      // @ts-expect-error the catalogue has no such code
      case 'value.notJason':
        return 1;
    }
  }
  // @ts-expect-error it is not known to be an error
  error.toString();
  return reject('chat.muted', { until: 5 });
}
