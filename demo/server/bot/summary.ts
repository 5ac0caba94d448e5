import { conversation, isTalk, type BotContext, type Message } from './bot.ts';
import { enumerate, itemsOf, openItems } from './list.ts';

const QUOTE_LENGTH = 80;
const QUESTIONS = 3;

/** What was said in the room: by whom, how it began, what was asked, where it stands. */
export async function summarise(ctx: BotContext): Promise<string> {
  const talk = (await conversation(ctx)).filter(isTalk);
  const items = await itemsOf(ctx);
  const parts = talk.length > 0 ? talkParts(talk) : ['Nobody has said anything to the others yet.'];
  if (items.length > 0) parts.push(openItems(items));
  return parts.join('\n');
}

function talkParts(talk: readonly Message[]): string[] {
  const counts = new Map<string, number>();
  for (const { by } of talk) counts.set(by, (counts.get(by) ?? 0) + 1);
  const shares = [...counts].map(([by, count]) => `${count} by ${by}`);
  const parts = [`${talk.length === 1 ? 'One message' : `${talk.length} messages`} so far, ${enumerate(shares)}.`];
  const [first] = talk;
  const last = talk.at(-1);
  if (first) parts.push(`It began with ${quote(first)}.`);
  const questions = talk.slice(1, -1).filter(({ text }) => text.endsWith('?'));
  if (questions.length > 0) parts.push(`Asked on the way: ${enumerate(questions.slice(-QUESTIONS).map(quote))}.`);
  if (last && last !== first) parts.push(`The latest is ${quote(last)}.`);
  return parts;
}

function quote({ text, by }: Message): string {
  const line = text.replace(/\s+/g, ' ');
  const letters = [...line];
  const shown = letters.length > QUOTE_LENGTH ? `${letters.slice(0, QUOTE_LENGTH).join('').trimEnd()} …` : line;
  return `“${shown}” (${by})`;
}
