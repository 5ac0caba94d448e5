import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStore, isCotableError, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { gate, mutators, schema, type S } from './scene.ts';

const code = (failed: PromiseLike<unknown>): PromiseLike<unknown> =>
  failed.then(
    () => 'no error',
    (error: unknown) => (isCotableError(error) ? error.code : error),
  );

/** A relay on SQLite, where it takes a while until something is kept. */
async function begin(go: Promise<void>): Promise<() => Promise<Store<S>>> {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-found-'));
  const relay = createRelay({
    backend: {
      schema,
      mutators,
      actions: {
        async answer(ctx, { to }) {
          ctx.broadcastStream('thinking');
          await go;
          return { text: `about ${to}` };
        },
        silent: async () => ({ ok: true }),
      },
    },
    storage: sqlite(join(folder, 'relay.db')),
  });
  const { url } = await relay.listen();
  onTestFinished(async () => {
    await relay.close({ graceMs: 0 });
    await rm(folder, { recursive: true });
  });
  return async () => {
    const store = createStore({
      schema,
      mutators,
      room: 'room',
      userId: 'ann',
      storage: memoryClientStorage({ durable: true }),
      transports: [webSocket(url, { WebSocket })],
    });
    onTestFinished(() => store.close());
    await store.synced;
    return store;
  };
}

it('[RC10] a run that a mutator enqueued is found, and canceled, from the moment on in which its row is there', async () => {
  const { passed, open } = gate();
  const store = await (await begin(passed))();
  for (const [id, end] of [
    ['b', 'run.canceled'],
    ['a', { text: 'about @bot a', tries: 1 }],
  ] as const) {
    const receipt = await store.mutate.say({ id, text: `@bot ${id}` });
    const run = store.run('answer', `${receipt.id}:1`);
    expect(run.status).toBe('pending');
    if (id === 'b') await run.cancel();
    else open();
    expect(id === 'b' ? await code(run) : await run).toEqual(end);
    expect([run.output, run.error?.code]).toEqual(id === 'b' ? [undefined, end] : [end, undefined]);
  }
});

it('[RC11] a run that is not there is asked for once, until the next link', async () => {
  const store = await (await begin(Promise.resolve()))();
  const missing = store.run('answer', 'nobody knows it');
  expect(await code(missing)).toBe('run.notFound');
  expect(store.run('answer', 'nobody knows it')).toBe(missing);
  expect([missing.status, missing.error?.code, store.runs]).toEqual(['failed', 'run.notFound', []]);
});

it('[RC11] looking a run up tells nobody within the call', async () => {
  const store = await (await begin(Promise.resolve()))();
  const told: number[] = [];
  const subscription = store.runs$.subscribe((runs) => told.push(runs.length));
  onTestFinished(() => subscription.unsubscribe());
  store.run('answer', 'looked up');
  expect(told).toEqual([0]);
  await expect.poll(() => [told[1], told.at(-1)]).toEqual([1, 0]);
});
