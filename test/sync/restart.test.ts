import { createSyncClient } from 'cotable/client';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, defineEvents, type Relay } from 'cotable/relay';
import { defineSchema } from 'cotable';
import { webSocket } from 'cotable/transports/websocket';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { folder } from '../events/scene.ts';

// A relay that is closed, as for a new version of an app, and its successor at the same address.

const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });

it('[SY63 C8 CX7] a relay that closes takes no link and answers nothing that it has not ended: the next one begins what waited, once, and answers', async () => {
  const ran: number[] = [];
  const events = defineEvents({ schema }, (event) => ({
    'work/do': {
      v1: event({
        input: z.object({ number: z.number() }),
        server: async ({ clientInput: { number }, signal }) => {
          ran.push(number);
          // The first one is at work when the relay goes, and holds up the others.
          if (number === 0) await new Promise((_, stop) => signal.addEventListener('abort', () => stop(signal.reason)));
          return { status: 'success', number };
        },
      }),
    },
  }));
  const file = `${await folder()}/data.db`;
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const boot = (): Relay<typeof schema> =>
    createRelay({ backend: { schema, mutators: {}, events }, storage: sqlite(file), limits: { runsPerUser: 1 }, logger: silent });
  const first = boot();
  const { url, port } = await first.listen();
  const client = createSyncClient<typeof events>({ link: webSocket(url, { WebSocket }), userId: 'ann' });
  onTestFinished(() => client.close());
  const ask = (number: number) => client.syncRequest({ name: 'work/do', version: 'v1', data: { number }, receiver: 'room' });
  const asked = [ask(0), ask(1), ask(2)];
  const taken = async (): Promise<number> => {
    let count = 0;
    for await (const run of first.runs.list({ room: 'room' })) count += run.id ? 1 : 0;
    return count;
  };
  await expect.poll(taken).toBe(3);
  await expect.poll(() => ran).toEqual([0]);
  const response = fetch(`${url.replace('ws:', 'http:')}/sync/work/do/v1`, {
    method: 'POST',
    body: JSON.stringify({ userId: 'ben', data: { number: 0 }, receiver: 'room', idempotencyKey: 'over HTTP' }),
  });
  await expect.poll(() => ran).toEqual([0, 0]);
  const closing = first.close({ graceMs: 300 });
  // A link that comes meanwhile is let go, and does not hold up the end.
  const late = new WebSocket(url);
  await new Promise<void>((resolve) => late.once('error', () => resolve()));
  await closing;
  // Over HTTP there is no link that comes back: who asked is told, and asks again.
  const refused = await response;
  expect([refused.status, await refused.json()]).toMatchObject([503, { errorCode: 'relay.closed' }]);
  await expect.poll(() => client.status.waiting).toBe(3);
  const second = boot();
  await second.listen(port);
  onTestFinished(() => second.close({ graceMs: 0 }));
  expect((await Promise.all(asked)).map((answer) => (answer.status === 'success' ? answer.result.number : answer.errorCode))).toEqual([
    'sync.serverExecutionFailed',
    1,
    2,
  ]);
  expect(ran).toEqual([0, 0, 1, 2]);
});
