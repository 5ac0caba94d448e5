import { defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';

export const schema = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(z.object({ text: z.string() })) } },
  mutators: { put: { input: z.object({ key: z.string(), text: z.string() }) } },
});

export const mutators = defineMutators({
  put: (ctx, { key, text }) => ctx.table('rows').set(key, { text }),
});
