import { defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';

/** What the pages and the relay beside them speak of. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(z.object({ id: z.string(), text: z.string() })) } },
  mutators: { put: { input: z.object({ id: z.string(), text: z.string() }) } },
  actions: { talk: { input: z.object({ id: z.string() }), output: z.object({ parts: z.number() }), stream: { kind: 'text' } } },
});

export const mutators = defineMutators<typeof schema>({ put: (ctx, row) => ctx.table('rows').set(row.id, row) });
