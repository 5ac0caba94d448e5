import {
  defineSchema,
  table,
  type ActionShape,
  type InOf,
  type OutOf,
  type RowInputOf,
  type RowOf,
  type Schema,
  type Shape,
  type TableShape,
} from 'cotable';
import { z } from 'zod';
import type { Equal, Expect } from './expect.ts';
import { bare, schema, trimmed, type S, type Task } from './fixture.ts';

type TaskRow = RowOf<S, 'tasks'>;
type TaskInput = RowInputOf<S, 'tasks'>;

export type Checks = [
  // Rows: what the validator gives. A default is there; what is optional stays so.
  Expect<Equal<keyof TaskRow, keyof Task>>,
  Expect<Equal<TaskRow['id'], string>>,
  Expect<Equal<TaskRow['state'], 'open' | 'done'>>,
  Expect<Equal<TaskRow['note'], string | undefined>>,
  Expect<Equal<TaskRow['points'], number>>,
  Expect<Equal<TaskRow['tags'], readonly string[]>>,
  Expect<Equal<TaskRow['place'], { x: number; y: number } | null>>,
  Expect<Equal<RowOf<S, 'people'>, Readonly<{ name: string }>>>,
  // Row inputs: what a mutator may write. A default may be left out.
  Expect<Equal<TaskInput['points'], number | undefined>>,
  Expect<Equal<RequiredKeys<TaskInput>, 'id' | 'title' | 'state' | 'tags' | 'place'>>,
  Expect<Equal<RequiredKeys<TaskRow>, 'id' | 'title' | 'state' | 'tags' | 'place' | 'points'>>,
  // Inputs: what a caller gives, and what the function gets.
  Expect<Equal<InOf<S['mutators']['add']>, { id: string; title?: string | undefined; points?: number | undefined }>>,
  Expect<Equal<OutOf<S['mutators']['add']>, { id: string; title: string; points?: number | undefined }>>,
  Expect<Equal<InOf<S['mutators']['say']>, { text: string; loud?: boolean }>>,
  Expect<Equal<OutOf<S['mutators']['say']>, { text: string; loud: boolean }>>,
  Expect<Equal<[InOf<S['mutators']['count']>, OutOf<S['mutators']['count']>], [string, number]>>,
  Expect<Equal<OutOf<S['actions']['summarize']>, { id: string; style: 'short' | 'long' }>>,
  Expect<Equal<InOf<S['actions']['summarize']>, { id: string; style?: 'short' | 'long' | undefined }>>,
  // The schema's own type names rows and inputs, and no library that validates them.
  Expect<
    Equal<
      typeof bare,
      Schema<
        { readonly rows: TableShape<{ id: string }, { id: string }> },
        { readonly put: Shape<{ id: string }, { id: string }> },
        Record<never, never>
      >
    >
  >,
  Expect<Equal<S['actions']['measure'], ActionShape<string, string, string, number>>>,
  Expect<Equal<typeof schema.schemaVersion, number>>,
  Expect<Equal<typeof schema.mutators.add.description, string | undefined>>,
];

type RequiredKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? never : K }[keyof T];

const row = table(z.object({ id: z.string() }));
const put = { input: z.object({ id: z.string() }) };

export function refused(): void {
  // @ts-expect-error a Date is not JSON
  table(z.object({ at: z.date() }));
  // @ts-expect-error a bigint is not JSON
  table(z.object({ n: z.bigint() }));
  // @ts-expect-error a Map is not JSON
  table(z.object({ map: z.map(z.string(), z.string()) }));
  // @ts-expect-error what comes of a transform is what is kept
  table(z.object({ at: z.string().transform((text) => new Date(text)) }));
  // @ts-expect-error nobody knows what it holds
  table(z.record(z.string(), z.unknown()));
  // @ts-expect-error a row is an object
  table(z.string());
  // @ts-expect-error a row is not a list
  table(z.array(z.string()));
  // @ts-expect-error a table is declared by a validator
  table({ id: 'string' });
  // @ts-expect-error indexes name fields
  table(z.object({ id: z.string() }), { indexes: [['name']] });
  // @ts-expect-error a migration gives a row or nothing
  table(z.object({ id: z.string() }), { migrations: { 2: () => 1 } });
  // @ts-expect-error a version is a number
  defineSchema({ schemaVersion: '1', tables: { rows: { schema: row } }, mutators: { put } });
  // @ts-expect-error a schema has a version
  defineSchema({ tables: { rows: { schema: row } }, mutators: { put } });
  // @ts-expect-error a table is given as { schema: table(...) }
  defineSchema({ schemaVersion: 1, tables: { rows: row }, mutators: { put } });
  // @ts-expect-error a row's validator is wrapped in table()
  defineSchema({ schemaVersion: 1, tables: { rows: { schema: z.object({ id: z.string() }) } }, mutators: { put } });
  // @ts-expect-error a mutator has an input
  defineSchema({ schemaVersion: 1, tables: { rows: { schema: row } }, mutators: { put: {} } });
  // @ts-expect-error an input is a validator
  defineSchema({ schemaVersion: 1, tables: { rows: { schema: row } }, mutators: { put: { input: { id: 'string' } } } });
  // @ts-expect-error an action has an output
  defineSchema({ schemaVersion: 1, tables: { rows: { schema: row } }, mutators: { put }, actions: { run: put } });
  // @ts-expect-error a schema is made of tables, mutators and actions
  defineSchema({ schemaVersion: 1, tables: { rows: { schema: row } }, mutators: { put }, tabels: {} });
  // @ts-expect-error what was declared stays
  schema.schemaVersion = 2;
  // @ts-expect-error what was declared stays
  schema.tables.people = bare.tables.rows;
}

export function taken(): void {
  table(z.object({ at: z.iso.datetime(), deep: z.record(z.string(), z.array(z.union([z.null(), z.boolean()]))) }));
  table(z.record(z.string(), z.json()));
  table(trimmed);
  defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });
}
