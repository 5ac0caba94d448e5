import { defineBackendConfig } from 'cotable/relay';
import { chatSchema } from './schema.ts';

/** Stands for the model that the app calls. */
async function* callBotApi({ botName }: { readonly botName: string }): AsyncGenerator<{ readonly text: string }> {
  for (const text of ['Once upon a time, ', botName, ' told a story.']) yield { text };
}

export const chatBackendConfig = defineBackendConfig<typeof chatSchema>({
  schema: chatSchema,

  mutators: {
    sendMessage: async (ctx, input) => {
      // 1. Save the user's message
      await ctx.table('messages').set(input.id, {
        id: input.id,
        text: input.text,
        role: 'user',
        senderId: ctx.userId,
      });

      // 2. Check for a bot mention like "@Claude tell me a story"
      const mentionMatch = input.text.match(/^@(\S+)\s/);
      if (mentionMatch && input.botMessageId) {
        const botName = mentionMatch[1]!;

        // 3. Create a placeholder message for the bot response (instant on client)
        await ctx.table('messages').set(input.botMessageId, {
          id: input.botMessageId,
          text: '',
          role: 'assistant',
          senderId: botName,
          status: 'incomplete',
        });

        // 4. Enqueue the server-side action (no-op on client)
        ctx.enqueueAction('callBot', {
          botName,
          botMessageId: input.botMessageId,
        });
      }
    },

    updateMessage: async (ctx, input) => {
      const message = await ctx.table('messages').get(input.id);
      if (!message) return;
      await ctx.table('messages').set(input.id, {
        ...message,
        text: input.text,
        status: input.status,
      });
    },
  },

  actions: {
    callBot: async (ctx, input) => {
      let fullResponse = '';

      for await (const event of callBotApi({ botName: input.botName })) {
        fullResponse += event.text;

        // Each ctx.mutate() triggers a real mutation that syncs to all clients
        await ctx.mutate('updateMessage', {
          id: input.botMessageId,
          text: fullResponse,
          status: 'incomplete',
        });
      }

      // Final update marks the message as complete
      await ctx.mutate('updateMessage', {
        id: input.botMessageId,
        text: fullResponse,
        status: 'complete',
      });

      return { success: true, response: fullResponse };
    },
  },
});
