import { z } from 'zod';
import { questionIn } from '../../shared/mutators.ts';
import { BOT } from '../../shared/schema.ts';
import { conversation, type Bot, type BotContext } from './bot.ts';
import { readEvents } from './events.ts';

export interface ModelOptions {
  /** Where `/chat/completions` is, as `https://api.openai.com/v1`. */
  readonly url: string;
  /** Left out: no `Authorization` is sent. */
  readonly key?: string;
  readonly model: string;
}

/** So much of the room is told to the model. */
const HISTORY = 30;
/** An answer that takes longer is given up. */
const LONGEST_MS = 120_000;

const SYSTEM = `You are ${BOT}, a participant of a small chat room. People's messages begin with their names.
Answer the last message, which is addressed to you, briefly and in plain text without markup, in its language.`;

const chunkSchema = z.object({
  choices: z
    .array(z.object({ delta: z.object({ content: z.string().nullish() }).nullish(), finish_reason: z.string().nullish() }))
    .default([]),
  error: z.object({ message: z.string() }).nullish(),
});
const refusalSchema = z.object({ error: z.union([z.object({ message: z.string() }), z.string()]) });

/** A model behind an endpoint that speaks OpenAI's chat completions, as most do. */
export function modelBot({ url, key, model }: ModelOptions): Bot {
  return {
    label: model,
    async *answer(ctx, question) {
      const response = await fetch(`${url.replace(/\/+$/, '')}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...(key && { authorization: `Bearer ${key}` }) },
        body: JSON.stringify({ model, stream: true, messages: await promptOf(ctx, question) }),
        signal: AbortSignal.any([ctx.signal, AbortSignal.timeout(LONGEST_MS)]),
      }).catch((error: Error) => {
        throw new Error(`${model} cannot be reached: ${causeOf(error)}`, { cause: error });
      });
      if (!response.ok || !response.body) throw new Error(`${model} answered ${response.status}: ${await refusalOf(response)}`);
      let isOver = false;
      for await (const data of readEvents(named(model, response.body))) {
        if (data === '[DONE]') return;
        const { choices, error } = parseChunk(model, data);
        if (error) throw new Error(`${model}: ${error.message}`);
        const [choice] = choices;
        if (choice?.delta?.content) yield choice.delta.content;
        if (choice?.finish_reason) isOver = true;
      }
      if (!isOver) throw new Error(`${model} stopped in the middle`);
    },
  };
}

function parseChunk(model: string, data: string): z.infer<typeof chunkSchema> {
  try {
    return chunkSchema.parse(JSON.parse(data));
  } catch (error) {
    throw new Error(`${model} sent something unreadable`, { cause: error });
  }
}

/** What was said up to the question, and the question. */
async function promptOf(ctx: BotContext, question: string): Promise<readonly { readonly role: string; readonly content: string }[]> {
  const messages = (await conversation(ctx)).filter(({ status }) => status === 'complete');
  const asked = messages.findLastIndex(({ by, text }) => by === ctx.userId && questionIn(text) === question);
  return [
    { role: 'system', content: SYSTEM },
    ...messages
      .slice(0, asked < 0 ? undefined : asked)
      .slice(-HISTORY)
      .map(({ by, text }) => (by === BOT ? { role: 'assistant', content: text } : { role: 'user', content: `${by}: ${text}` })),
    { role: 'user', content: `${ctx.userId}: ${question}` },
  ];
}

async function refusalOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = refusalSchema.parse(JSON.parse(text));
    return typeof error === 'string' ? error : error.message;
  } catch {
    return response.statusText || 'no reason given';
  }
}

/** The bytes of a body; what cuts them off says whose they were. */
async function* named(model: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body;
  } catch (error) {
    throw new Error(`${model} stopped in the middle: ${error instanceof Error ? causeOf(error) : String(error)}`, { cause: error });
  }
}

/** What `fetch` hides: its own message is "fetch failed". */
function causeOf(error: Error): string {
  return error.cause instanceof Error && error.cause.message ? error.cause.message : error.message;
}
