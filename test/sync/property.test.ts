import { defineSchema } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createSyncClient } from 'cotable/client';
import { createRelay, defineEvents } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';

const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });
const NAMES = ['ann', 'ben', 'carl'] as const;

type Step =
  | { readonly do: 'ask'; readonly who: number; readonly words: number }
  | { readonly do: 'cut' | 'away' | 'back'; readonly who: number }
  | { readonly do: 'turn'; readonly count: number };

const who = fc.nat(NAMES.length - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), who, words: fc.integer({ min: 0, max: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'away' as const, 'back' as const), who }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('turn' as const), count: fc.integer({ min: 1, max: 30 }) }) },
  ),
  { minLength: 5, maxLength: 40 },
);

it('[SY58 C8 C28 CX7] whatever is cut and when, each request runs once and is answered, and each listener gets the pieces of a run in order, none twice, before what came of it', async () => {
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 40 });
}, 120_000);

async function run(plan: readonly Step[]): Promise<void> {
  const ran: string[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const events = defineEvents({}, (event) => ({
    'chat/count': {
      v1: event({
        input: z.object({ id: z.string(), words: z.number() }),
        stream: { kind: 'items', of: z.number() },
        async server({ clientInput: { id, words }, stream, broadcastStream }) {
          ran.push(id);
          for (let word = 0; word < words; word++) {
            stream(word);
            broadcastStream(word);
            await turn();
          }
          return { status: 'success', id, words };
        },
      }),
    },
  }));
  const hub = memoryHub();
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const relay = createRelay({
    backend: { schema, mutators: {}, events, rateLimiting: false },
    storage: memoryRelayStorage(),
    acceptors: [hub.acceptor()],
    logger,
  });
  const clients = NAMES.map((name) => createSyncClient<typeof events>({ link: hub.transport(name), userId: name, rooms: ['room'] }));
  /** What a client was called with of each run. */
  const heard = clients.map((client) => {
    const byRun = new Map<string, unknown[]>();
    client.upsertSyncEventCallback({
      name: 'chat/count',
      version: 'v1',
      callback(event) {
        const list = byRun.get(event.run) ?? [];
        byRun.set(event.run, [...list, event.status === 'stream' ? event.stream : event.serverOutput]);
      },
    });
    return byRun;
  });
  const asked: { readonly id: string; readonly words: number; readonly progress: number[]; readonly response: Promise<unknown> }[] = [];
  for (const step of plan) {
    if (step.do === 'turn') for (let count = 0; count < step.count; count++) await turn();
    else if (step.do === 'ask') {
      const [id, { words }, progress] = [String(asked.length), step, [] as number[]];
      const response = clients[step.who]?.syncRequest({
        name: 'chat/count',
        version: 'v1',
        data: { id, words },
        receiver: 'room',
        onStream: (word) => progress.push(word),
      });
      asked.push({ id, words, progress, response: response ?? Promise.reject(new Error('nobody')) });
    } else {
      const name = NAMES[step.who] ?? '';
      if (step.do !== 'back') hub.cut(name);
      if (step.do !== 'cut') hub.setAvailable(name, step.do === 'back');
    }
  }
  for (const name of NAMES) hub.setAvailable(name, true);
  for (const { id, words, progress, response } of asked) {
    expect(await response).toMatchObject({ status: 'success', result: { id, words } });
    expect(progress).toEqual(Array.from({ length: words }, (_, word) => word));
  }
  expect(ran.toSorted()).toEqual(asked.map(({ id }) => id).toSorted());
  for (const byRun of heard) {
    for (const list of byRun.values()) {
      const end = list.findIndex((one) => typeof one === 'object');
      const pieces = end < 0 ? list : list.slice(0, end);
      // One that came after the end of a run hears nothing of it, and one that was cut off may miss how it ended.
      expect(pieces).toEqual(pieces.map((_, word) => word));
      if (end >= 0) expect(list).toEqual([...Array.from({ length: (list[end] as { words: number }).words }, (_, word) => word), list[end]]);
    }
  }
  await Promise.all(clients.map((client) => client.close()));
  await relay.close({ graceMs: 0 });
}
