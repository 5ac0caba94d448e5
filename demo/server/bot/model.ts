import { chatCompletions, type ChatCompletionsOptions, type ChatMessage } from 'cotable/adapters/platform';
import { definePlatform } from 'cotable/relay';
import { questionIn } from '../../shared/mutators.ts';
import { BOT } from '../../shared/schema.ts';
import { conversation, type Bot, type BotContext } from './bot.ts';

/** So much of the room is told to the model. */
const HISTORY = 30;

const SYSTEM = `You are ${BOT}, a participant of a small chat room. People's messages begin with their names.
Answer the last message, which is addressed to you, briefly and in plain text without markup, in its language.`;

/** A model behind an endpoint that speaks OpenAI's chat completions, as most do. */
export function modelBot(options: ChatCompletionsOptions): Bot {
  return {
    label: options.model,
    platform: definePlatform({ ai: chatCompletions(options) }),
    async *answer(ctx, question) {
      yield* await ctx.platform.call('ai', { messages: await promptOf(ctx, question) });
    },
  };
}

/** What was said up to the question, and the question. */
async function promptOf(ctx: BotContext, question: string): Promise<readonly ChatMessage[]> {
  const messages = (await conversation(ctx)).filter(({ status }) => status === 'complete');
  const asked = messages.findLastIndex(({ by, text }) => by === ctx.userId && questionIn(text) === question);
  return [
    { role: 'system', content: SYSTEM },
    ...messages
      .slice(0, asked < 0 ? undefined : asked)
      .slice(-HISTORY)
      .map(({ by, text }): ChatMessage =>
        by === BOT ? { role: 'assistant', content: text } : { role: 'user', content: `${by}: ${text}` },
      ),
    { role: 'user', content: `${ctx.userId}: ${question}` },
  ];
}
