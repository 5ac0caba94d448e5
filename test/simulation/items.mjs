// What the simulator's own runs are made of. Every value written is the id of the mutation that wrote it, so that each
// row tells whose effect it shows; and each mutation leaves a line.
import { defineAccess, defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';

export const schema = defineSchema({
  schemaVersion: 1,
  tables: {
    items: { schema: table(z.object({ id: z.string(), a: z.string(), b: z.string().optional(), sum: z.number().optional() })) },
    lines: { schema: table(z.object({ id: z.string(), by: z.string(), saw: z.string() })) },
  },
  mutators: {
    put: { input: z.object({ id: z.string() }) },
    edit: { input: z.object({ id: z.string(), field: z.enum(['a', 'b']) }) },
    clear: { input: z.object({ id: z.string() }) },
    remove: { input: z.object({ id: z.string() }) },
    replace: { input: z.object({ id: z.string() }) },
    count: { input: z.object({ id: z.string() }) },
    swap: { input: z.object({ id: z.string(), other: z.string() }) },
    slow: { input: z.object({ id: z.string() }) },
  },
});

function leaveLine(ctx, id, saw) {
  ctx.table('lines').set(ctx.mutationId, { id, by: ctx.userId, saw: saw?.a ?? '' });
}

export const mutators = defineMutators({
  put(ctx, { id }) {
    ctx.table('items').set(id, { id, a: ctx.mutationId });
    leaveLine(ctx, id);
  },
  edit(ctx, { id, field }) {
    if (ctx.table('items').has(id)) ctx.table('items').update(id, { [field]: ctx.mutationId });
    leaveLine(ctx, id);
  },
  clear(ctx, { id }) {
    if (ctx.table('items').has(id)) ctx.table('items').update(id, { b: undefined });
    leaveLine(ctx, id);
  },
  remove(ctx, { id }) {
    ctx.table('items').delete(id);
    leaveLine(ctx, id);
  },
  replace(ctx, { id }) {
    ctx.table('items').delete(id);
    ctx.table('items').set(id, { id, a: ctx.mutationId, b: ctx.mutationId });
    leaveLine(ctx, id);
  },
  count(ctx, { id }) {
    const item = ctx.table('items').get(id);
    if (item) ctx.table('items').update(id, { sum: (item.sum ?? 0) + 1 });
    leaveLine(ctx, id, item);
  },
  swap(ctx, { id, other }) {
    const item = ctx.table('items').get(id);
    ctx.table('items').delete(id);
    if (item) ctx.table('items').set(other, { ...item, id: other, b: ctx.mutationId });
    leaveLine(ctx, id, item);
  },
  async slow(ctx, { id }) {
    const item = ctx.table('items').get(id);
    for (let turn = 0; turn < 3; turn++) await undefined;
    if (item) ctx.table('items').update(id, { a: ctx.mutationId });
    leaveLine(ctx, id, item);
  },
});

// Who has counted to three has locked the item. A device may not know that yet, so the relay refuses some that it took.
export const access = defineAccess({
  tables: { items: { update: (_, { before }) => (before.sum ?? 0) < 3 } },
});

export const backend = { schema, mutators, access };

const KEYS = ['k', 'l', 'm', 'n', 'o', 'p'];
const CALLS = ['put', 'put', 'edit', 'edit', 'edit', 'clear', 'remove', 'replace', 'count', 'swap', 'slow'];

export function act(store, random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const [name, id, other, field] = [pick(CALLS), pick(KEYS), pick(KEYS), pick(['a', 'b'])];
  return store.mutate[name]({ id, other, field });
}

export function marks(table, row) {
  return table === 'lines' ? [] : [row.a, row.b].filter(Boolean);
}

export function invariant(store) {
  const odd = store.rejections.find(({ error }) => error.code !== 'access.denied');
  if (odd) throw new Error(`${odd.id} was rejected, though nothing refuses it: ${odd.error.code}`);
  const lines = store.table('lines');
  for (const item of store.table('items').list()) {
    for (const id of marks('items', item)) if (!lines.has(id)) throw new Error(`of the mutation ${id} only a part is there`);
  }
}
