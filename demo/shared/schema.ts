import { defineSchema, table } from 'cotable';
import { z } from 'zod';

/** A chat: one table, and the three things people do with it. Page and relay read this same file. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    messages: {
      schema: table(
        z.object({
          id: z.string(),
          text: z.string(),
          /** The user who wrote it. */
          by: z.string(),
          /** Milliseconds since 1970. */
          at: z.number(),
          edited: z.boolean().optional(),
        }),
      ),
    },
  },
  mutators: {
    send: { description: 'Writes a message', input: z.object({ text: z.string() }) },
    edit: { description: 'Changes the text of an own message', input: z.object({ id: z.string(), text: z.string() }) },
    remove: { description: 'Deletes an own message', input: z.object({ id: z.string() }) },
  },
});

export type ChatSchema = typeof schema;

/** The one room of the demo. */
export const ROOM = 'demo';

/** Where the relay takes WebSockets. */
export const RELAY_PATH = '/relay';
