import { defineSchema, table } from 'cotable';
import { z } from 'zod';

export const chatSchema = defineSchema({
  schemaVersion: 1,
  tables: {
    messages: {
      schema: table(
        z.object({
          id: z.string(),
          text: z.string(),
          role: z.enum(['user', 'assistant']),
          senderId: z.string(),
          status: z.enum(['incomplete', 'complete', 'error']).optional(),
        }),
      ),
    },
  },
  mutators: {
    sendMessage: {
      description: 'Send a message, optionally triggering a bot response',
      input: z.object({
        id: z.string(),
        text: z.string(),
        botMessageId: z.string().optional(),
      }),
    },
    updateMessage: {
      description: "Update a message's text and status",
      input: z.object({
        id: z.string(),
        text: z.string(),
        status: z.enum(['incomplete', 'complete', 'error']),
      }),
    },
  },
  actions: {
    callBot: {
      description: 'Stream an LLM response into a placeholder message',
      input: z.object({
        botName: z.string(),
        botMessageId: z.string(),
      }),
      output: z.object({
        success: z.boolean(),
        response: z.string().optional(),
      }),
    },
  },
});
