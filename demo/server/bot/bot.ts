import type { RowOf } from 'cotable';
import type { ChatCompletions } from 'cotable/adapters/platform';
import type { ActionContext } from 'cotable/relay';
import { questionIn } from '../../shared/mutators.ts';
import { BOT, type ChatSchema } from '../../shared/schema.ts';

/** What a bot may call outside. */
export type BotPlatform = { readonly ai: ChatCompletions };

/** What a bot works with: it reads the room, and changes it through mutators only. */
export type BotContext = Pick<
  ActionContext<ChatSchema, string, BotPlatform>,
  'runId' | 'userId' | 'signal' | 'table' | 'mutate' | 'platform'
>;

export type Message = RowOf<ChatSchema, 'messages'>;

/** Anything that answers in pieces. */
export interface Bot {
  /** Shown beside its name: which model it is, or that it is none. */
  readonly label: string;
  /** Left out: it calls nothing. */
  readonly platform?: BotPlatform;
  /** May be asked the same again, by the same `runId`, when a crash cut it off. */
  answer(ctx: BotContext, question: string): AsyncIterable<string>;
}

/** The messages of the room, oldest first, without answers that are not there yet. */
export async function conversation(ctx: BotContext): Promise<readonly Message[]> {
  const messages = await ctx.table('messages').list();
  return messages.filter(({ status }) => status !== 'incomplete').toSorted((a, b) => a.at - b.at);
}

/** Whether people said it to each other. */
export function isTalk({ by, text }: Message): boolean {
  return by !== BOT && questionIn(text) === undefined;
}
