import { defineMutators, defineSchema, table, type Store, type Validator } from 'cotable';
import { defineBackendConfig } from 'cotable/relay';
import { z } from 'zod';

/** What other libraries give: an object of the Standard Schema, made by hand. */
export const trimmed: Validator<{ text: string; loud?: boolean }, { text: string; loud: boolean }> = {
  '~standard': {
    version: 1,
    vendor: 'by hand',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'text' in value && typeof value.text === 'string'
        ? { value: { text: value.text.trim(), loud: 'loud' in value && value.loud === true } }
        : { issues: [{ message: 'no text' }] },
  },
};

/** A schema with what inference has to tell apart: defaults, optional fields, unions, transforms, nesting. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    tasks: {
      schema: table(
        z.object({
          id: z.string(),
          title: z.string(),
          state: z.enum(['open', 'done']),
          note: z.string().optional(),
          points: z.number().default(1),
          tags: z.array(z.string()).readonly(),
          place: z.object({ x: z.number(), y: z.number() }).nullable(),
        }),
        { indexes: [['state', 'points']], migrations: { 2: (row) => ({ ...row, points: 1 }) } },
      ),
    },
    people: { schema: table(z.object({ name: z.string() })), description: 'Who is here' },
  },
  mutators: {
    add: {
      description: 'Adds a task',
      input: z.object({ id: z.string(), title: z.string().default('untitled'), points: z.number().optional() }),
    },
    finish: { input: z.object({ id: z.string() }) },
    say: { input: trimmed },
    /** Given as text, taken as a number. */
    count: { input: z.string().transform(Number) },
  },
  actions: {
    summarize: {
      input: z.object({ id: z.string(), style: z.enum(['short', 'long']).default('short') }),
      output: z.object({ text: z.string(), words: z.number().default(0), from: z.string().optional() }),
    },
    measure: { description: 'Measures a text', input: z.string(), output: z.string().transform((text) => text.length) },
  },
});

export type S = typeof schema;

/** A schema without actions. */
export const bare = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(z.object({ id: z.string() })) } },
  mutators: { put: { input: z.object({ id: z.string() }) } },
});

export interface Task {
  readonly id: string;
  readonly title: string;
  readonly state: 'open' | 'done';
  readonly note?: string | undefined;
  readonly points: number;
  readonly tags: readonly string[];
  readonly place: { x: number; y: number } | null;
}

export const mutators = defineMutators<S>({
  add(ctx, { id, title, points }) {
    ctx.table('tasks').set(id, { id, title, state: 'open', points, tags: [], place: null });
  },
  finish: async (ctx, { id }) => {
    await ctx.table('tasks').update(id, { state: 'done' });
  },
  say: (ctx, { text, loud }) => ctx.table('people').set(ctx.userId, { name: loud ? text.toUpperCase() : text }),
  count: (ctx, n) => void ctx.table('people').delete(n.toFixed(0)),
});

export const backend = defineBackendConfig<S>({
  schema,
  mutators,
  actions: {
    summarize: async (ctx, { id, style }) => {
      const task = await ctx.table('tasks').get(id);
      return { text: `${style}: ${task?.title ?? ''}` };
    },
    measure: async (_, text) => text,
  },
});

export declare const store: Store<S>;
