import { defineSchema, table } from 'cotable';
import { z } from 'zod';

// Exported without a type of its own: a user's declaration files must be able to name what inference puts there.
export const schema = defineSchema({
  schemaVersion: 1,
  tables: { messages: { schema: table(z.object({ id: z.string(), text: z.string(), by: z.string(), done: z.boolean().optional() })) } },
  mutators: { say: { description: 'Says something', input: z.object({ id: z.string(), text: z.string().default('hello') }) } },
});
