import { createStore, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import type { FlowRow } from 'cotable/client';
import { defineFlow } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { said, send, serve, tempFile, type Served } from './scene.ts';

const steps: (() => void)[] = [];
const flow = defineFlow({
  kind: 'talks',
  actions: {
    talk: {
      inputSchema: z.object({ text: z.string() }),
      userMessage: ({ text }) => text,
      async block({ text }, ctx) {
        const before = await ctx.table('items').count();
        const item = ctx.addItem({ role: 'assistant', parts: [{ before }] });
        for (const word of text.split(' ')) {
          item.delta(`${word} `);
          await new Promise<void>((resolve) => steps.push(resolve));
        }
        await item.done();
      },
    },
  },
});
const path = '/api/flows/talks/actions/talk';
type SessionStore = Store<typeof flow.schema>;

function open(
  served: Pick<Served, 'ws'>,
  room: string,
  { userId = 'ann', storage = memoryClientStorage({ durable: true }), token = '' } = {},
): SessionStore {
  const store = createStore({
    schema: flow.schema,
    mutators: flow.mutators,
    room,
    userId,
    storage,
    transports: [webSocket(served.ws, { WebSocket })],
    ...(token && { token: () => token }),
  });
  onTestFinished(() => store.close());
  return store;
}

const rows = (store: SessionStore): readonly FlowRow[] =>
  store
    .table('items')
    .list()
    .toSorted((a, b) => a.at - b.at);
const step = async (): Promise<void> => {
  await expect.poll(() => steps.length).toBe(1);
  steps.shift()?.();
};

describe('a session of a flow', () => {
  it('[FL22] is a room: a store shows the conversation as it grows, and offline', async () => {
    const file = await tempFile();
    const served = await serve([flow], { file });
    const { session } = await send(served, path, { text: 'one two' });
    const storage = memoryClientStorage({ durable: true });
    const store = open(served, session.id, { storage });
    await expect.poll(() => said(rows(store))).toEqual(['user: one two', 'assistant: one  (in_progress)']);
    await step();
    await expect.poll(() => said(rows(store))).toEqual(['user: one two', 'assistant: one two  (in_progress)']);
    await step();
    await expect.poll(() => said(rows(store))).toEqual(['user: one two', 'assistant: one two ']);
    expect(rows(store).at(-1)?.parts).toEqual([{ before: 1 }]);
    await served.relay.close();
    await store.close();
    // Nobody is there to ask.
    const offline = open(served, session.id, { storage });
    await offline.ready;
    expect(said(rows(offline))).toEqual(['user: one two', 'assistant: one two ']);
    // What comes later has a later time, on whatever clock.
    const ats = rows(offline).map(({ at }) => at);
    expect(ats).toEqual([...new Set(ats)]);
  });

  it('[FL23] is written by the relay alone, and opened by its owner alone', async () => {
    const served = await serve([flow]);
    const { session, requestId } = await send(served, path, { text: 'one' });
    await step();
    await served.relay.drain();
    const store = open(served, session.id);
    await store.synced;
    const [first] = rows(store);
    const item = { id: 'forged', requestId, role: 'assistant' as const, text: 'I say so', status: 'done' as const };
    for (const forged of [item, { ...item, id: first?.id ?? '' }]) {
      const { confirmed } = await store.mutate.putItem(forged);
      await expect(confirmed).rejects.toMatchObject({ code: 'access.denied' });
    }
    expect(said(rows(store))).toEqual(['user: one', 'assistant: one ']);
    const stranger = open(served, session.id, { userId: 'bob' });
    await expect.poll(() => stranger.status.reason?.code).toBe('auth.forbidden');
    expect(rows(stranger)).toEqual([]);
    // Rooms of other names are the app's own.
    const odd = open(served, `talks~${'0'.repeat(48)}`, { userId: 'bob' });
    await expect.poll(() => odd.status.reason?.code).toBe('auth.forbidden');
  });

  it('[FL23] refuses on the device already what a store with the rules of the flow writes', async () => {
    const served = await serve([flow]);
    const { session } = await send(served, path, { text: 'one' });
    const transports = [webSocket(served.ws, { WebSocket })];
    const { schema, mutators, access } = flow;
    const store = createStore({ schema, mutators, access, room: session.id, userId: 'ann', storage: memoryClientStorage(), transports });
    onTestFinished(() => store.close());
    await store.synced;
    const forged = { id: 'forged', requestId: 'r', role: 'user' as const, text: '', status: 'done' as const };
    await expect(store.mutate.putItem(forged)).rejects.toMatchObject({ code: 'access.denied' });
    steps.splice(0).forEach((go) => go());
  });
});
