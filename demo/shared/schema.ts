import { defineSchema, table } from 'cotable';
import { z } from 'zod';

/** A chat with a bot: messages, the list that the bot keeps, and what people and bot do with them. Page and relay read this same file. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    messages: {
      schema: table(
        z.object({
          id: z.string(),
          text: z.string(),
          /** The user who wrote it, or {@link BOT}. */
          by: z.string(),
          /** Milliseconds since 1970. */
          at: z.number(),
          edited: z.boolean().optional(),
          /** `incomplete`: the bot is still at it. `error`: its answer broke off. */
          status: z.enum(['complete', 'incomplete', 'error']).default('complete'),
          /** Of the bot's messages: which model wrote it, or that there was none. */
          label: z.string().optional(),
          /** Why an answer broke off. */
          problem: z.string().optional(),
        }),
      ),
    },
    items: {
      schema: table(z.object({ id: z.string(), text: z.string(), by: z.string(), at: z.number(), isDone: z.boolean() })),
    },
  },
  mutators: {
    send: { description: 'Writes a message; one to the bot asks for an answer', input: z.object({ text: z.string() }) },
    edit: { description: 'Changes the text of an own message', input: z.object({ id: z.string(), text: z.string() }) },
    remove: { description: 'Deletes an own message', input: z.object({ id: z.string() }) },
    sign: { description: 'Says who writes an answer', input: z.object({ id: z.string(), label: z.string() }) },
    putItem: { description: 'Puts something on the list', input: z.object({ id: z.string(), text: z.string() }) },
    finishItem: { description: 'Ticks something off the list', input: z.object({ id: z.string() }) },
  },
  actions: {
    answer: {
      description: 'Lets the bot fill the placeholder `id`',
      input: z.object({ id: z.string(), question: z.string() }),
      output: z.object({ characters: z.number() }),
      stream: { kind: 'text' },
    },
  },
});

export type ChatSchema = typeof schema;

/** Who writes the bot's messages. */
export const BOT = 'Bot';

/** The one room of the demo. */
export const ROOM = 'demo';
