import { defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';

const place = z.object({ key: z.string() });

export const schema = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(z.object({ text: z.string() })) } },
  mutators: { put: { input: z.object({ key: z.string(), text: z.string() }) }, ask: { input: place } },
  actions: { say: { input: place, output: z.object({}), stream: { kind: 'text' } } },
});

export const mutators = defineMutators({
  put: (ctx, { key, text }) => ctx.table('rows').set(key, { text }),
  /** An empty row, and an action that streams into it. */
  ask(ctx, { key }) {
    ctx.table('rows').set(key, { text: '' });
    ctx.enqueueAction('say', { key });
  },
});
