// What the simulator's own runs are made of. Every value written is the id of the mutation that wrote it, so that each
// row tells whose effect it shows; and each mutation leaves a line. An item's trail stands for all that it is built on:
// who reads an item says in its line which trail it saw, and leaves another one.
import { defineAccess, defineMutators, defineSchema, table } from 'cotable';
import { z } from 'zod';
import { actOnRuns, checkJobs, jobActions, jobMutators, jobMutatorShapes, jobPolicies, jobTables } from './jobs.mjs';

const item = z.object({ id: z.string(), a: z.string(), b: z.string().optional(), sum: z.number().optional(), trail: z.string() });

// What an item has besides in each version of the app. The second adds a field that is edited ever after, and lets the
// validator fill in another; the third renames that one, and knows no item `p` any more. No field is asked for: what an
// older page of the same device has pending is shown as that page wrote it, until it has run again.
const VERSIONS = [
  { shape: {}, made: {}, edited: () => ({}) },
  { shape: { era: z.number().default(1), kind: z.string().default('old') }, made: { era: 2 }, edited: (sum) => ({ era: sum }) },
  { shape: { age: z.number().default(1), kind: z.string().default('old') }, made: { age: 0 }, edited: (sum) => ({ age: sum }) },
];
const migrations = {
  2: (row) => ({ ...row, era: row.sum ?? 1 }),
  3: ({ era, ...row }) => (row.id === 'p' ? undefined : { ...row, age: era }),
};

function schemaOf(version) {
  const known = Object.entries(migrations).filter(([to]) => Number(to) <= version);
  const items = table(item.extend(VERSIONS[version - 1].shape), { migrations: Object.fromEntries(known) });
  return defineSchema({
    schemaVersion: version,
    tables: {
      items: { schema: items },
      lines: { schema: table(z.object({ id: z.string(), by: z.string(), saw: z.string(), trail: z.string() })) },
      ...jobTables,
    },
    actions: jobActions,
    mutators: {
      ...jobMutatorShapes,
      put: { input: z.object({ id: z.string() }) },
      edit: { input: z.object({ id: z.string(), field: z.enum(['a', 'b']) }) },
      clear: { input: z.object({ id: z.string() }) },
      remove: { input: z.object({ id: z.string() }) },
      replace: { input: z.object({ id: z.string() }) },
      count: { input: z.object({ id: z.string() }) },
      swap: { input: z.object({ id: z.string(), other: z.string() }) },
      slow: { input: z.object({ id: z.string() }) },
      claim: { input: z.object({ id: z.string() }) },
      tally: { input: z.object({}) },
    },
  });
}

function trailOf(ctx, saw) {
  let hash = 0;
  for (const letter of saw?.trail ?? '') hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return `${ctx.mutationId} ${hash.toString(36)}`;
}

function leaveLine(ctx, id, saw) {
  ctx.table('lines').set(ctx.mutationId, { id, by: ctx.userId, saw: saw?.trail ?? '', trail: trailOf(ctx, saw) });
}

const mutatorsOf = ({ made, edited }) =>
  defineMutators({
    ...jobMutators,
    put(ctx, { id }) {
      ctx.table('items').set(id, { id, a: ctx.mutationId, trail: trailOf(ctx), ...made });
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
      ctx.table('items').set(id, { id, a: ctx.mutationId, b: ctx.mutationId, trail: trailOf(ctx), ...made });
      leaveLine(ctx, id);
    },
    count(ctx, { id }) {
      const item = ctx.table('items').get(id);
      const sum = (item?.sum ?? 0) + 1;
      if (item) ctx.table('items').update(id, { sum, trail: trailOf(ctx, item), ...edited(sum) });
      leaveLine(ctx, id, item);
    },
    swap(ctx, { id, other }) {
      const item = ctx.table('items').get(id);
      ctx.table('items').delete(id);
      if (item) ctx.table('items').set(other, { ...item, id: other, b: ctx.mutationId, trail: trailOf(ctx, item) });
      leaveLine(ctx, id, item);
    },
    async slow(ctx, { id }) {
      const item = ctx.table('items').get(id);
      for (let turn = 0; turn < 3; turn++) await undefined;
      if (item) ctx.table('items').update(id, { a: ctx.mutationId, trail: trailOf(ctx, item) });
      leaveLine(ctx, id, item);
    },
    /** Refused where there is nothing to claim, in a replay too. */
    claim(ctx, { id }) {
      const item = ctx.table('items').get(id);
      if (!item) throw new Error('there is no such item');
      ctx.table('items').update(id, { b: ctx.mutationId, trail: trailOf(ctx, item) });
      leaveLine(ctx, id, item);
    },
    /** Counts itself among those made in the same tab: whoever sends it, it has seen those before it. */
    tally(ctx) {
      const id = `tally ${ctx.mutationId.split('-')[0]}`;
      const item = ctx.table('items').get(id);
      ctx.table('items').set(id, { id, a: ctx.mutationId, sum: (item?.sum ?? 0) + 1, trail: trailOf(ctx, item), ...made });
      leaveLine(ctx, id, item);
    },
  });

// Who has counted to three has locked the item. A device may not know that yet, so the relay refuses some that it took.
export const access = defineAccess({
  tables: { items: { update: (_, { key, before }) => key.startsWith('tally') || (before.sum ?? 0) < 3 } },
});

const backendOf = (version) => ({ schema: schemaOf(version), mutators: mutatorsOf(VERSIONS[version - 1]), actions: jobPolicies, access });

export const backend = backendOf(1);
export const upgrades = [backendOf(2), backendOf(3)];

const KEYS = ['k', 'l', 'm', 'n', 'o', 'p'];
const CALLS = ['put', 'put', 'edit', 'edit', 'edit', 'clear', 'remove', 'replace', 'count', 'swap', 'slow', 'claim', 'tally', 'tally'];

/** How much of what is done is about runs. */
const RUNS = 0.1;

export function act(store, random) {
  if (random() < RUNS) return actOnRuns(store, random);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const [name, id, other, field] = [pick(CALLS), pick(KEYS), pick(KEYS), pick(['a', 'b'])];
  return store.mutate[name]({ id, other, field });
}

export function marks(table, row) {
  return table === 'items' ? [row.a, row.b].filter(Boolean) : [];
}

export function invariant(store) {
  checkJobs(store);
  for (const { id, name, error } of store.rejections) {
    if (name !== 'claim' && error.code !== 'access.denied') throw new Error(`${id} was rejected, though nothing refuses it: ${error.code}`);
    if (store.table('lines').has(id)) throw new Error(`${id} was rejected, and is there`);
  }
  const lines = store.table('lines');
  const tallies = new Map();
  for (const item of store.table('items').list()) {
    for (const id of marks('items', item)) if (!lines.has(id)) throw new Error(`of the mutation ${id} only a part is there`);
  }
  for (const [id, { id: key, saw }] of lines.entries()) {
    tallies.set(key, (tallies.get(key) ?? 0) + 1);
    if (!saw) continue;
    if (lines.get(saw.split(' ')[0])?.trail !== saw) throw new Error(`${id} was built on ${saw}, which never came to be`);
    if (store.table('items').get(key)?.trail === saw) throw new Error(`${id} wrote over ${saw}, which stands`);
  }
  for (const { id, sum } of store.table('items').list()) {
    if (id.startsWith('tally') && sum !== tallies.get(id)) throw new Error(`${id} is ${sum}, of ${tallies.get(id)} mutations`);
  }
}
