// How fast short runs go: queued beforehand, and asked for one by one of a relay that is idle. On SQLite, with fsync.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineMutators, defineSchema, table } from 'cotable';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { z } from 'zod';

const schema = defineSchema({
  schemaVersion: 1,
  tables: { notes: { schema: table(z.object({ text: z.string() })) } },
  mutators: { ask: { input: z.object({ at: z.number() }) } },
  actions: { work: { input: z.object({ at: z.number() }), output: z.object({ lag: z.number() }) } },
});
const mutators = defineMutators({ ask: (ctx, { at }) => void ctx.enqueueAction('work', { at }) });
const now = () => performance.timeOrigin + performance.now();
const part = (sorted, share) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;

/** `runs` of 100 users in 10 rooms are queued, then a relay starts; after that `singles` are asked for, 20 ms apart. */
export async function measureRuns({ runs = 10_000, singles = 300 } = {}, say = () => undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-runs-'));
  const file = join(folder, 'relay.db');
  try {
    const storage = sqlite(file);
    const queuing = [];
    for (let n = 0; n < 10; n++) queuing.push(storage.openRoom(`room ${n}`, { lineage: 1 + n, epoch: 1, schemaVersion: 1 }));
    for (let n = 0; n < runs; n++) {
      const run = { id: `7-${n}:0`, name: 'work', input: '{"at":0}', userId: `user ${n % 100}`, queuedAt: Date.now() };
      queuing.push(storage.queueRun(`room ${n % 10}`, run));
    }
    await Promise.all(queuing);
    await storage.close();
    say(`${runs} runs are queued`);

    const lags = [];
    const work = async (_, { at }) => {
      const lag = now() - at;
      if (at > 0) lags.push(lag);
      return { lag };
    };
    const cpu = process.cpuUsage();
    const began = now();
    const relay = createRelay({ backend: { schema, mutators, actions: { work } }, storage: sqlite(file) });
    await relay.drain();
    const seconds = (now() - began) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    say(`they are done in ${seconds.toFixed(1)} s`);
    for (let n = 0; n < singles; n++) {
      await relay.mutate('room 0', 'ask', { at: now() });
      await sleep(20);
    }
    await relay.drain();
    await relay.close();
    if (lags.length !== singles) throw new Error(`${lags.length} of ${singles} runs were begun`);
    lags.sort((a, b) => a - b);
    return {
      setup: { runs, users: 100, rooms: 10, singles },
      runsPerSecond: Math.round(runs / seconds),
      cpuMicrosPerRun: Math.round((user + system) / runs),
      startLagMs: { p50: part(lags, 0.5), p99: part(lags, 0.99) },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
