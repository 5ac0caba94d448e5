import { defineMutators, reject, type MutatorContext } from 'cotable';
import type { ChatSchema } from './schema.ts';

/** A longer message is refused. */
export const MAX_TEXT = 1000;

/** Run in the tab at once, and again on whatever the relay holds when the tab comes back: so nothing here asks the clock or dice. */
export const mutators = defineMutators<ChatSchema>({
  send: (ctx, { text }) => {
    const id = ctx.newId();
    ctx.table('messages').set(id, { id, text: clean(text), by: ctx.userId, at: ctx.now });
  },
  edit: (ctx, { id, text }) => {
    assertOwn(ctx, id);
    ctx.table('messages').update(id, { text: clean(text), edited: true });
  },
  remove: (ctx, { id }) => {
    assertOwn(ctx, id);
    ctx.table('messages').delete(id);
  },
});

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
