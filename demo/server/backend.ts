import { defineBackendConfig, type BackendConfig } from 'cotable/relay';
import { isPlaceholder, mutators } from '../shared/mutators.ts';
import { schema, type ChatSchema } from '../shared/schema.ts';
import type { Bot, BotPlatform } from './bot/bot.ts';

/** What the relay runs: the chat, and the bot as an action whose stream shows in the placeholder. */
export function chatBackend(bot: Bot): BackendConfig<ChatSchema, BotPlatform> {
  return defineBackendConfig<ChatSchema, BotPlatform>({
    schema,
    mutators,
    platform: bot.platform,
    actions: {
      answer: {
        // Who asked sees what was said and why it broke off, and may ask again.
        retry: { attempts: 1 },
        cell: ({ id }) => ({ table: 'messages', key: id, field: 'text' }),
        async run(ctx, { id, question }) {
          await ctx.mutate('sign', { id, label: bot.label });
          let characters = 0;
          for await (const piece of bot.answer(ctx, question)) {
            ctx.broadcastStream(piece);
            characters += piece.length;
          }
          return { characters };
        },
        onSettled(ctx, { input, text, status, error }) {
          const messages = ctx.table('messages');
          if (!isPlaceholder(messages.get(input.id))) return;
          if (status === 'succeeded') messages.update(input.id, { text, status: 'complete' });
          else messages.update(input.id, { text, status: 'error', problem: reasonOf(error.params) ?? error.message });
        },
      },
    },
  });
}

/** What the bot, or what it called, threw, without the words around it. */
function reasonOf(params: object): string | undefined {
  return 'reason' in params && typeof params.reason === 'string' ? params.reason : undefined;
}
