import { createStore, defineMutators, defineSchema, table, type ClientStorage, type Store, type Transport } from 'cotable';
import { z } from 'zod';

/** Two tables with rows that are created, edited field by field, taken away and made again; each mutation leaves a line. */
export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    items: { schema: table(z.object({ id: z.string(), a: z.number(), b: z.string().optional() })) },
    lines: { schema: table(z.object({ id: z.string(), what: z.string() })) },
  },
  mutators: {
    put: { input: z.object({ id: z.string(), a: z.number() }) },
    edit: { input: z.object({ id: z.string(), field: z.enum(['a', 'b']), value: z.number() }) },
    clear: { input: z.object({ id: z.string() }) },
    remove: { input: z.object({ id: z.string() }) },
    replace: { input: z.object({ id: z.string(), a: z.number() }) },
    slow: { input: z.object({ id: z.string() }) },
  },
});

export const mutators = defineMutators<typeof schema>({
  put(ctx, { id, a }) {
    ctx.table('items').set(id, { id, a });
    ctx.table('lines').set(ctx.newId(), { id, what: ctx.mutationId });
  },
  edit(ctx, { id, field, value }) {
    if (ctx.table('items').has(id)) ctx.table('items').update(id, field === 'a' ? { a: value } : { b: `v${value}` });
    ctx.table('lines').set(ctx.newId(), { id, what: ctx.mutationId });
  },
  clear(ctx, { id }) {
    if (ctx.table('items').has(id)) ctx.table('items').update(id, { b: undefined });
    ctx.table('lines').set(ctx.newId(), { id, what: ctx.mutationId });
  },
  remove(ctx, { id }) {
    ctx.table('items').delete(id);
    ctx.table('lines').set(ctx.newId(), { id, what: ctx.mutationId });
  },
  replace(ctx, { id, a }) {
    ctx.table('items').delete(id);
    ctx.table('items').set(id, { id, a, b: 'anew' });
    ctx.table('lines').set(ctx.newId(), { id, what: ctx.mutationId });
  },
  async slow(ctx, { id }) {
    const before = ctx.table('items').get(id);
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (before) ctx.table('items').update(id, { a: before.a + 1 });
    ctx.table('lines').set(ctx.newId(), { id, what: ctx.mutationId });
  },
});

export function openStore(userId: string, storage: ClientStorage, transport: Transport): Store<typeof schema> {
  return createStore({ schema, mutators, room: 'room', storage, transports: [transport], userId });
}
