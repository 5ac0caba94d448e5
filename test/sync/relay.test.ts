import { createStore, defineMutators, defineSchema, table } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createSyncClient, type SyncClient, type SyncClientOptions } from 'cotable/client';
import { createRelay, defineEvents } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { webSocket } from 'cotable/transports/websocket';
import { expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';

// The client with the relay itself.

const schema = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(z.object({ id: z.string() })) } },
  mutators: { put: { input: z.object({ id: z.string() }) } },
});
const mutators = defineMutators<typeof schema>({ put: (ctx, row) => ctx.table('rows').set(row.id, row) });

/** How often handlers ran, and what lets them go on. */
const ran: string[] = [];
const gates = new Map<string, () => void>();
const gate = (name: string): Promise<void> => new Promise((open) => gates.set(name, open));

const events = defineEvents({ schema }, (event) => ({
  'chat/send': {
    v1: event({
      input: z.object({ text: z.string(), hold: z.string().optional() }),
      stream: { kind: 'items', of: z.object({ word: z.string() }) },
      recipientStream: { kind: 'items', of: z.object({ for: z.string() }) },
      async server({ clientInput, stream, broadcastStream, user }) {
        ran.push(clientInput.text);
        const words = clientInput.text.split(' ');
        for (const [index, word] of words.entries()) {
          stream({ word: `(${word})` });
          broadcastStream({ word });
          if (index === 0 && clientInput.hold !== undefined) await gate(clientInput.hold);
        }
        if (clientInput.text === 'nonsense')
          return { status: 'error', errorCode: 'chat.nonsense', errorParams: { words: words.length }, httpStatus: 418 };
        return { status: 'success', text: clientInput.text, by: user.userId };
      },
      async recipient({ token, functions, stream }) {
        const session = await functions.session.getSession(token);
        if (session?.userId === 'eve') return { status: 'error', errorCode: 'chat.muted' };
        stream({ for: session?.userId ?? '' });
        return { status: 'success', for: session?.userId };
      },
    }),
  },
}));

interface Scene {
  readonly hub: MemoryHub;
  readonly url: string;
  /** Closes the relay at once and starts another on the same disk. */
  restart(): Promise<void>;
  /** A client over a way of its own name. */
  client(userId: string, options?: Partial<SyncClientOptions>): SyncClient<typeof events>;
}

async function scene(): Promise<Scene> {
  ran.length = 0;
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  const start = () =>
    createRelay({
      backend: {
        schema,
        mutators,
        events,
        rateLimiting: false,
        messages: (code, params, locale) => (code === 'chat.nonsense' ? `${locale}: ${String(params['words'])}` : code),
      },
      storage: memoryRelayStorage(disk),
      acceptors: [hub.acceptor()],
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
  let relay = start();
  const { url } = await relay.listen();
  onTestFinished(() => relay.close({ graceMs: 0 }));
  return {
    hub,
    url,
    async restart() {
      await relay.close({ graceMs: 0 });
      relay = start();
    },
    client(userId, options) {
      const client = createSyncClient<typeof events>({ link: hub.transport(userId), userId, ...options });
      onTestFinished(() => client.close());
      return client;
    },
  };
}

/** Takes the link from a client whose relay stays. */
async function away(hub: MemoryHub, userId: string, client: SyncClient<typeof events>): Promise<void> {
  hub.setAvailable(userId, false);
  hub.cut(userId);
  await expect.poll(() => client.status.rooms['room']?.state).toBe('offline');
}

const ask = (client: SyncClient<typeof events>, text: string, more: { hold?: string; idempotencyKey?: string } = {}) => {
  const { hold, ...rest } = more;
  return client.syncRequest({ name: 'chat/send', version: 'v1', data: { text, ...(hold && { hold }) }, receiver: 'room', ...rest });
};

const isIn = (client: SyncClient<typeof events>, room = 'room'): Promise<void> =>
  expect.poll(() => client.status.rooms[room]?.state).toBe('online');

/** Notes what the client hears, as words and outputs. */
function listen(client: SyncClient<typeof events>): unknown[] {
  const heard: unknown[] = [];
  client.upsertSyncEventCallback({
    name: 'chat/send',
    version: 'v1',
    callback: (event) => heard.push(event.status === 'stream' ? Object.values(event.stream)[0] : [event.serverOutput, event.clientOutput]),
  });
  return heard;
}

it('[SY42 C1 C3 C19 C24 C25 C28 C43] what one asks is heard by all who are there: pieces first, each its own, and then what came of it', async () => {
  const { client } = await scene();
  const [ann, ben, eve] = ['ann', 'ben', 'eve'].map((userId) => client(userId, { rooms: ['room'] }));
  if (!ann || !ben || !eve) throw new Error('three');
  for (const one of [ann, ben, eve]) await isIn(one);
  const [byAnn, byBen, byEve] = [ann, ben, eve].map(listen);
  const mine: string[] = [];
  const response = await ann.syncRequest({
    name: 'chat/send',
    version: 'v1',
    data: { text: 'one two' },
    receiver: 'room',
    onStream: ({ word }) => mine.push(word),
  });
  const output = { text: 'one two', by: 'ann' };
  expect(response).toEqual({ status: 'success', message: expect.any(String), result: output, recipientCount: 3 });
  expect(mine).toEqual(['(one)', '(two)']);
  expect(byAnn).toEqual(['one', 'two', 'ann', [output, { for: 'ann' }]]);
  await expect.poll(() => byBen).toEqual(['one', 'two', 'ben', [output, { for: 'ben' }]]);
  await expect.poll(() => byEve).toEqual(['one', 'two']);
});

it('[SY43 C2 C17 C18] a failure of a handler comes with its code, params and status, and the message of the backend in the language of the client', async () => {
  const { client } = await scene();
  const response = await client('ann', { locale: 'nl' }).syncRequest({
    name: 'chat/send',
    version: 'v1',
    data: { text: 'nonsense' },
    receiver: 'room',
  });
  expect(response).toEqual({ status: 'error', message: 'nl: 1', errorCode: 'chat.nonsense', errorParams: { words: 1 }, httpStatus: 418 });
});

it('[SY44 CX7] a link that is cut while a handler works costs nothing: it runs once, streams on where it was, and is answered', async () => {
  const { hub, client } = await scene();
  const ann = client('ann', { rooms: ['room'] });
  await isIn(ann);
  const heard = listen(ann);
  const mine: string[] = [];
  const response = ann.syncRequest({
    name: 'chat/send',
    version: 'v1',
    data: { text: 'one two three', hold: 'cut' },
    receiver: 'room',
    onStream: ({ word }) => mine.push(word),
  });
  await expect.poll(() => mine).toEqual(['(one)']);
  hub.setAvailable('ann', false);
  hub.cut('ann');
  await expect.poll(() => ann.status.rooms['room']?.state).toBe('offline');
  gates.get('cut')?.();
  hub.setAvailable('ann', true);
  expect(await response).toMatchObject({ status: 'success', result: { text: 'one two three' } });
  expect(ran).toEqual(['one two three']);
  expect(mine).toEqual(['(one)', '(two)', '(three)']);
  expect(heard.slice(0, 3)).toEqual(['one', 'two', 'three']);
});

it('[SY45 C34 CX7] requests that wait while there is no way run once each, in order', async () => {
  const { hub, client } = await scene();
  const ann = client('ann', { rooms: ['room'] });
  await isIn(ann);
  hub.setAvailable('ann', false);
  hub.cut('ann');
  await expect.poll(() => ann.status.rooms['room']?.state).toBe('offline');
  const responses = ['a', 'b', 'c'].map((text) => ann.syncRequest({ name: 'chat/send', version: 'v1', data: { text }, receiver: 'room' }));
  expect(ann.status.waiting).toBe(3);
  hub.setAvailable('ann', true);
  expect((await Promise.all(responses)).map(({ status }) => status)).toEqual(['success', 'success', 'success']);
  expect(ran).toEqual(['a', 'b', 'c']);
});

it('[SY46 CX7] the answer is lost at any time, and still the handler ran once', async () => {
  const { hub, client } = await scene();
  const ann = client('ann');
  for (let count = 0; count < 20; count++) {
    const response = ann.syncRequest({ name: 'chat/send', version: 'v1', data: { text: String(count) }, receiver: 'room' });
    // Each time a little later on the way there and back.
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
    hub.cut('ann');
    expect(await response).toMatchObject({ status: 'success', result: { text: String(count) } });
  }
  expect(ran).toEqual(Array.from({ length: 20 }, (_, count) => String(count)));
}, 120_000);

it('[SY47] beside a store the client is the same user in the same room, over the same ways', async () => {
  const { url, client } = await scene();
  const store = createStore({
    schema,
    mutators,
    room: 'room',
    userId: 'ann',
    storage: memoryClientStorage(),
    transports: [webSocket(url, { WebSocket })],
  });
  onTestFinished(() => store.close());
  const beside = createSyncClient<typeof events>({ link: store });
  onTestFinished(() => beside.close());
  await isIn(beside);
  const heard = listen(beside);
  await client('ben').syncRequest({ name: 'chat/send', version: 'v1', data: { text: 'hi' }, receiver: 'room' });
  await expect.poll(() => heard).toEqual(['hi', 'ann', [{ text: 'hi', by: 'ben' }, { for: 'ann' }]]);
  const response = await beside.syncRequest({
    name: 'chat/send',
    version: 'v1',
    data: { text: 'hello' },
    receiver: 'room',
    ignoreSelf: true,
  });
  expect(response).toMatchObject({ status: 'success', result: { by: 'ann' }, recipientCount: 0 });
});

it('[SY48 CX7] who comes late to a stream gets it from its first piece', async () => {
  const { client } = await scene();
  const ben = client('ben', { rooms: ['room'] });
  await isIn(ben);
  const response = client('ann').syncRequest({
    name: 'chat/send',
    version: 'v1',
    data: { text: 'one two', hold: 'late' },
    receiver: 'room',
  });
  await expect.poll(() => gates.has('late')).toBe(true);
  const byBen = listen(ben);
  const carl = client('carl', { rooms: ['room'] });
  const byCarl = listen(carl);
  await expect.poll(() => [byBen, byCarl]).toEqual([['one'], ['one']]);
  gates.get('late')?.();
  expect(await response).toMatchObject({ status: 'success' });
  const output = { text: 'one two', by: 'ann' };
  await expect.poll(() => byBen).toEqual(['one', 'two', 'ben', [output, { for: 'ben' }]]);
  await expect.poll(() => byCarl).toEqual(['one', 'two', 'carl', [output, { for: 'carl' }]]);
});

it('[SY49 C9 C12] what does not fit, or is nobody’s to ask, is answered with its code', async () => {
  const { client } = await scene();
  const ann = client('ann');
  // @ts-expect-error text is missing
  expect(await ann.syncRequest({ name: 'chat/send', version: 'v1', data: {}, receiver: 'room' })).toMatchObject({
    errorCode: 'sync.invalidInputType',
  });
  // @ts-expect-error there is no such version
  expect(await ann.syncRequest({ name: 'chat/send', version: 'v9', data: { text: '' }, receiver: 'room' })).toMatchObject({
    errorCode: 'sync.notFound',
  });
});

it('[SY61 C8 CX7] a relay that starts anew in the middle of a handler answers that it failed, and runs it no second time; what it had not taken runs', async () => {
  const { client, restart, hub } = await scene();
  const ann = client('ann', { rooms: ['room'] });
  await isIn(ann);
  const atWork = ann.syncRequest({ name: 'chat/send', version: 'v1', data: { text: 'one', hold: 'restart' }, receiver: 'room' });
  await expect.poll(() => ran).toEqual(['one']);
  hub.hold('ann');
  const onItsWay = ann.syncRequest({ name: 'chat/send', version: 'v1', data: { text: 'two' }, receiver: 'room' });
  hub.cut('ann');
  hub.release('ann');
  await restart();
  expect(await atWork).toMatchObject({ status: 'error', errorCode: 'sync.serverExecutionFailed' });
  expect(await onItsWay).toMatchObject({ status: 'success', result: { text: 'two' } });
  expect(ran).toEqual(['one', 'two']);
});

it('[SY64 CX7] neither the size nor the age of the queue is for a request that was sent', async () => {
  const { hub, client } = await scene();
  const ann = client('ann', { rooms: ['room'], offlineQueue: { maxSize: 2, maxAgeMs: 50 } });
  await isIn(ann);
  const atWork = ask(ann, 'long', { hold: 'size and age' });
  await expect.poll(() => ran).toEqual(['long']);
  await away(hub, 'ann', ann);
  const others = await Promise.all(['x', 'y', 'z'].map((text) => ask(ann, text)));
  expect(others.map((one) => one.status === 'error' && one.errorParams)).toEqual(
    ['full', 'expired', 'expired'].map((reason) => ({ reason })),
  );
  expect(ann.status.waiting).toBe(1);
  gates.get('size and age')?.();
  hub.setAvailable('ann', true);
  expect(await atWork).toMatchObject({ status: 'success', result: { text: 'long' } });
  expect(ran).toEqual(['long']);
});

it('[SY65 CX7] so it is for the next client on the same storage, whichever client sent it', async () => {
  const { hub, client } = await scene();
  const storage = memoryClientStorage();
  const request = { hold: 'kept', idempotencyKey: 'key' };
  const first = client('ann', { rooms: ['room'], offlineQueue: { storage } });
  await isIn(first);
  await away(hub, 'ann', first);
  const early = ask(first, 'long', request);
  await first.close();
  expect(await early).toMatchObject({ errorCode: 'offline.kept', errorParams: { key: 'key' }, httpStatus: 503 });
  const second = client('ann', { rooms: ['room'], offlineQueue: { storage } });
  hub.setAvailable('ann', true);
  await expect.poll(() => ran).toEqual(['long']);
  await away(hub, 'ann', second);
  await second.close();
  // It asks for what it cannot know to be kept.
  const third = client('ann', { rooms: ['room'], offlineQueue: { storage, maxSize: 1, maxAgeMs: 1 } });
  const answer = ask(third, 'long', request);
  expect(await ask(third, 'late')).toMatchObject({ errorCode: 'offline.dropped', errorParams: { reason: 'expired' } });
  await expect.poll(() => third.status.waiting).toBe(1);
  gates.get('kept')?.();
  hub.setAvailable('ann', true);
  expect(await answer).toMatchObject({ status: 'success', result: { text: 'long' } });
  expect(ran).toEqual(['long']);
});

it('[SY66 CX1 CX7] what was sent waits for another link as long as the relay knows its key, and is not sent again later', async () => {
  const { hub, client } = await scene();
  const ann = client('ann', { rooms: ['room'] });
  await isIn(ann);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const lost = ask(ann, 'long', { hold: 'a day' });
  await expect.poll(() => ran).toEqual(['long']);
  await away(hub, 'ann', ann);
  const ms = 23 * 3_600_000;
  vi.advanceTimersByTime(ms - 60_000);
  expect(ann.status.waiting).toBe(1);
  vi.advanceTimersByTime(60_000);
  expect(await lost).toMatchObject({ errorCode: 'sync.requestTimeout', errorParams: { name: 'chat/send', ms } });
  vi.useRealTimers();
  hub.setAvailable('ann', true);
  expect(await ask(ann, 'next')).toMatchObject({ status: 'success' });
  expect(ran).toEqual(['long', 'next']);
});
