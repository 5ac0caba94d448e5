// A relay with one event: `node killed-relay.mjs FILE K`. It prints its address, and kills itself at the Kth point from the first
// request on, counted before and after each call of its storage and each await of the handlers. K 0: never; then it prints how many there were.
import { appendFileSync } from 'node:fs';
import { defineMutators, defineSchema, table } from 'cotable';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, defineEvents } from 'cotable/relay';
import { z } from 'zod';

const [file, k = '0'] = process.argv.slice(2);
let points = 0;
let isCounting = false;
function point() {
  if (!isCounting) return;
  points += 1;
  if (points === Number(k)) process.kill(process.pid, 'SIGKILL');
}
async function at(work) {
  point();
  const value = await work();
  point();
  return value;
}

const schema = defineSchema({
  schemaVersion: 1,
  tables: { log: { schema: table(z.object({ what: z.string() })) } },
  mutators: { note: { input: z.object({ id: z.string(), what: z.string() }) } },
});
const mutators = defineMutators({ note: (ctx, { id, what }) => ctx.table('log').set(id, { what }) });
const events = defineEvents({ schema }, (event) => ({
  'a/b': {
    v1: event({
      input: z.object({}),
      stream: { kind: 'text' },
      server: async ({ mutate, broadcastStream, roomCode }) => {
        appendFileSync(`${file}.effects`, 'begun\n');
        broadcastStream('begun');
        await at(() => mutate('note', { id: 'x', what: roomCode }));
        return { status: 'success', done: true };
      },
      recipient: async () => at(async () => ({ status: 'success', mine: true })),
    }),
  },
}));

const real = sqlite(file);
const storage = Object.fromEntries(
  Object.entries(real).map(([name, value]) => {
    if (typeof value !== 'function' || name === 'close') return [name, value];
    return [
      name,
      (...args) => {
        if (name === 'queueRun') isCounting = true;
        return at(() => value(...args));
      },
    ];
  }),
);
const relay = createRelay({ backend: { schema, mutators, events, rateLimiting: false }, storage });
const { url } = await relay.listen();
process.stdout.write(`${url}\n`);
process.on('SIGTERM', () => {
  process.stdout.write(`${points}\n`);
  void relay.close({ graceMs: 0 }).then(() => process.exit(0));
});
