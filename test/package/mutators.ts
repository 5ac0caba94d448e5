import { defineMutators } from 'cotable';
import type { schema } from './schema.ts';

// Shared with the relay, and run in the tab too: a page's bundle is known by the text.
export const mutators = defineMutators<typeof schema>({
  say: (ctx, { id, text }) => {
    ctx.table('messages').set(id, { id, text: `${text}, said by a mutator`, by: ctx.userId });
  },
});
