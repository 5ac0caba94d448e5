import { defineMutators, reject, type MutatorContext, type RowOf } from 'cotable';
import { BOT, type ChatSchema } from './schema.ts';

/** A longer message is refused. */
export const MAX_TEXT = 1000;

/** Run in the tab at once, and again on whatever the relay holds when the tab comes back: so nothing here asks the clock or dice. */
export const mutators = defineMutators<ChatSchema>({
  send: (ctx, { text }) => {
    const id = ctx.newId();
    const said = clean(text);
    ctx.table('messages').set(id, { id, text: said, by: ctx.userId, at: ctx.now });
    const question = questionIn(said);
    if (question !== undefined) ask(ctx, question);
  },
  edit: (ctx, { id, text }) => {
    assertOwn(ctx, id);
    ctx.table('messages').update(id, { text: clean(text), edited: true });
  },
  remove: (ctx, { id }) => {
    assertOwn(ctx, id);
    ctx.table('messages').delete(id);
  },
  sign: (ctx, { id, label }) => {
    if (isPlaceholder(ctx.table('messages').get(id))) ctx.table('messages').update(id, { label });
  },
  putItem: (ctx, { id, text }) => {
    ctx.table('items').set(id, { id, text: clean(text), by: ctx.userId, at: ctx.now, isDone: false });
  },
  finishItem: (ctx, { id }) => {
    ctx.table('items').update(id, { isDone: true });
  },
});

/** What a message asks the bot; `undefined` when it is not to the bot. */
export function questionIn(text: string): string | undefined {
  return /^@bot(?:\s+(.*))?$/is
    .exec(text)
    ?.slice(1)
    .map((question) => question ?? '')[0];
}

/** Whether a message is one that the bot is to fill: any client may name any message. */
export function isPlaceholder(message: RowOf<ChatSchema, 'messages'> | undefined): boolean {
  return message?.by === BOT && message.status === 'incomplete';
}

/** The placeholder is there at once, offline too; the run that fills it begins when the relay has both. */
function ask(ctx: MutatorContext<ChatSchema>, question: string): void {
  const id = ctx.newId();
  // A moment later: it stands below what asks for it.
  ctx.table('messages').set(id, { id, text: '', by: BOT, at: ctx.now + 1, status: 'incomplete' });
  ctx.enqueueAction('answer', { id, question });
}

function clean(text: string): string {
  const cleaned = text.trim();
  if (!cleaned) reject('chat.empty');
  if (cleaned.length > MAX_TEXT) reject('chat.tooLong', { length: cleaned.length, limit: MAX_TEXT });
  return cleaned;
}

function assertOwn(ctx: MutatorContext<ChatSchema>, id: string): void {
  const by = ctx.table('messages').get(id)?.by;
  if (by !== undefined && by !== ctx.userId) reject('chat.notYours', { by });
}
