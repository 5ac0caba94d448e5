import type { RowOf } from 'cotable';
import type { ChatSchema } from '../../shared/schema.ts';
import type { BotContext } from './bot.ts';

type Item = RowOf<ChatSchema, 'items'>;

/** Puts what stands between commas on the list. Asked again by the same run, it puts nothing there twice. */
export async function addItems(ctx: BotContext, rest: string): Promise<string> {
  const wanted = rest.split(',').flatMap((part) => part.trim() || []);
  if (wanted.length === 0) return 'What shall I add? For example: @bot add milk';
  const added: string[] = [];
  const present: string[] = [];
  for (const [index, text] of wanted.entries()) {
    const id = `${ctx.runId}/${index}`;
    const before = find(await itemsOf(ctx), text, (item) => !item.isDone);
    if (before && before.id !== id) present.push(before.text);
    else {
      await ctx.mutate('putItem', { id, text });
      added.push(text);
    }
  }
  const said = [added.length > 0 && `Added ${enumerate(added)}.`, present.length > 0 && `Already there: ${enumerate(present)}.`];
  return `${said.filter(Boolean).join(' ')} ${openItems(await itemsOf(ctx))}`;
}

export async function showItems(ctx: BotContext): Promise<string> {
  const items = await itemsOf(ctx);
  if (items.length === 0) return 'The list is empty. Add something with: @bot add milk';
  return `The list:\n${items.map(({ text, isDone, by }) => `${isDone ? '✓' : '○'} ${text} (${by})`).join('\n')}`;
}

export async function finishItem(ctx: BotContext, rest: string): Promise<string> {
  const items = await itemsOf(ctx);
  const item = find(items, rest, ({ isDone }) => !isDone) ?? find(items, rest, () => true);
  if (!item) return `${rest ? `There is no “${rest}” on the list.` : 'What is done?'} ${openItems(items)}`;
  await ctx.mutate('finishItem', { id: item.id });
  return `Done: ${item.text}. ${openItems(await itemsOf(ctx))}`;
}

/** The open ones in a sentence. */
export function openItems(items: readonly Item[]): string {
  const open = items.filter(({ isDone }) => !isDone).map(({ text }) => text);
  return open.length > 0 ? `Open on the list: ${enumerate(open)}.` : 'Nothing is left on the list.';
}

export async function itemsOf(ctx: BotContext): Promise<readonly Item[]> {
  const items = await ctx.table('items').list();
  return items.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

function find(items: readonly Item[], text: string, fits: (item: Item) => boolean): Item | undefined {
  return items.find((item) => item.text.toLowerCase() === text.toLowerCase() && fits(item));
}

const list = new Intl.ListFormat('en');

export function enumerate(words: readonly string[]): string {
  return list.format(words);
}
