// The app of `npm run kill9`. The relay's process knows the rules; the stores do not, so that it refuses what they took.
import { defineAccess, defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';

export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    notes: { schema: table(z.object({ id: z.string(), text: z.string(), stars: z.number().optional() })) },
    counters: { schema: table(z.object({ n: z.number() })) },
    answers: { schema: table(z.object({ id: z.string(), run: z.string(), text: z.string(), ends: z.number() })) },
  },
  mutators: {
    write: { input: z.object({ id: z.string(), text: z.string() }) },
    star: { input: z.object({ id: z.string(), stars: z.number() }) },
    drop: { input: z.object({ id: z.string() }) },
    count: { input: z.object({ id: z.string() }) },
    ask: { input: z.object({ id: z.string() }) },
  },
  actions: {
    answer: { input: z.object({ id: z.string() }), output: z.object({ text: z.string() }), stream: { kind: 'text' } },
  },
});

export const mutators = defineMutators({
  write: (ctx, note) => ctx.table('notes').set(note.id, note),
  star(ctx, { id, stars }) {
    if (ctx.table('notes').has(id)) ctx.table('notes').update(id, { stars });
  },
  drop: (ctx, { id }) => void ctx.table('notes').delete(id),
  count: (ctx, { id }) => ctx.table('counters').set(id, { n: (ctx.table('counters').get(id)?.n ?? 0) + 1 }),
  ask(ctx, { id }) {
    const run = ctx.enqueueAction('answer', { id });
    ctx.table('answers').set(id, { id, run, text: '', ends: 0 });
  },
});

export const access = defineAccess({ tables: { notes: { insert: (_, { key }) => !key.startsWith('closed') } } });

export const actions = {
  answer: {
    async run(ctx) {
      for (const piece of ['to be ', 'or ', 'not']) {
        ctx.broadcastStream(piece);
        // Long enough for a kill to come between.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return { text: 'to be or not' };
    },
    onSettled(ctx, { input, text }) {
      const answer = ctx.table('answers').get(input.id);
      if (answer) ctx.table('answers').set(input.id, { ...answer, text, ends: answer.ends + 1 });
    },
  },
};
