import { defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';

const note = z.object({ id: z.string(), text: z.string() });

export const schema = defineSchema({ schemaVersion: 1, tables: { notes: { schema: table(note) } }, mutators: { write: { input: note } } });

export const mutators = defineMutators<typeof schema>({
  write: (ctx, input) => ctx.table('notes').set(input.id, input),
});
