import { defineMutators } from 'cotable';
import type { schema } from './schema.ts';

export const mutators = defineMutators<typeof schema>({
  write: (ctx, input) => ctx.table('notes').set(input.id, input),
});
