// A relay that has one run to do: `node killed-relay.mjs FILE K`. It kills itself at the Kth point, counted before and after
// everything that is awaited: by the action, and by the relay of its storage. When it gets through (K 0: it does), it prints
// what there is then, as JSON.
import { appendFileSync } from 'node:fs';
import { defineMutators, defineSchema, table } from 'cotable';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { z } from 'zod';

const [file, k = '0'] = process.argv.slice(2);
let points = 0;
function point() {
  points += 1;
  if (points === Number(k)) process.kill(process.pid, 'SIGKILL');
}
async function at(work) {
  point();
  const value = await work();
  point();
  return value;
}

const rows = z.object({ what: z.string(), count: z.number() });
export const schema = defineSchema({
  schemaVersion: 1,
  tables: { log: { schema: table(rows) }, ends: { schema: table(rows) } },
  mutators: { note: { input: z.object({ id: z.string(), what: z.string() }) }, read: { input: z.object({}) } },
  actions: { work: { input: z.object({ id: z.string() }), output: z.object({ said: z.string() }), stream: { kind: 'text' } } },
});
let seen = {};
const mutators = defineMutators({
  note: (ctx, { id, what }) => ctx.table('log').set(id, { what, count: (ctx.table('log').get(id)?.count ?? 0) + 1 }),
  read(ctx) {
    seen = Object.fromEntries(['log', 'ends'].map((name) => [name, Object.fromEntries(ctx.table(name).entries())]));
  },
});

const work = {
  async run(ctx, { id }) {
    if (id === 'child') return { said: 'child' };
    await at(() => ctx.mutate('note', { id: 'first', what: 'begun' }));
    const made = await at(() =>
      ctx.step('make', async () => {
        appendFileSync(`${file}.effects`, 'made\n');
        return at(() => ctx.platform.call('make', { attempt: ctx.attempt }));
      }),
    );
    ctx.broadcastStream('said ');
    await at(() => ctx.enqueueAction('work', { id: 'child' }, { idempotencyKey: 'child' }));
    await at(() => new Promise((resolve) => setTimeout(resolve, 5)));
    ctx.broadcastStream(made);
    await at(() => ctx.mutate('note', { id: 'last', what: made }));
    return { said: made };
  },
  onSettled(ctx, { id, status, text, output }) {
    const count = (ctx.table('ends').get(id)?.count ?? 0) + 1;
    ctx.table('ends').set(id, { what: `${status}: ${text} / ${output?.said}`, count });
  },
};

const real = sqlite(file);
const storage = Object.fromEntries(
  Object.entries(real).map(([name, value]) => [
    name,
    typeof value === 'function' && name !== 'close' ? (...args) => at(() => value(...args)) : value,
  ]),
);
const relay = createRelay({
  backend: { schema, mutators, actions: { work }, platform: { make: async ({ attempt }) => `made in ${attempt}` } },
  storage,
});
await relay.drain();
await relay.mutate('room', 'read', {});
const runs = [];
for await (const run of relay.runs.list()) runs.push(run);
const kept = await real.step('room', 'run', 'make');
process.stdout.write(JSON.stringify({ points, runs, kept, ...seen }));
await relay.close();
