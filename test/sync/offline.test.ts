import { memoryClientStorage } from 'cotable/adapters/memory';
import type { ClientStorage } from 'cotable';
import { expect, it } from 'vitest';
import { answering, ask, clientOf, scene, success, type Client, type Options } from './scene.ts';
import { scriptedRelay, type ScriptedRelay } from './scripted-relay.ts';

/** A relay that is away, and a client that knows it. */
async function offline(options: Options = {}): Promise<{ readonly relay: ScriptedRelay; readonly client: Client }> {
  const { relay, client } = await scene({ rooms: ['room'], ...options });
  await expect.poll(() => client.status.rooms['room']?.state).toBe('online');
  await relay.goAway();
  await expect.poll(() => client.status.rooms['room']?.state).toBe('offline');
  return { relay, client };
}

const keys = (relay: ScriptedRelay): readonly string[] => relay.links.flatMap(({ asked }) => asked.map(({ request }) => request));

it('[SY31 C34] without a link requests wait, and go out in the order they were made when there is one', async () => {
  const { relay, client } = await offline();
  const responses = ['a', 'b', 'c'].map((text) => ask(client, text, { idempotencyKey: text }));
  expect(client.status.waiting).toBe(3);
  answering(relay);
  await relay.comeBack();
  expect(await Promise.all(responses)).toEqual(['a', 'b', 'c'].map(success));
  expect(keys(relay)).toEqual(['a', 'b', 'c']);
  expect(client.status.waiting).toBe(0);
});

it('[SY32 CX7] a request whose answer was lost with the link is sent again under the same key, and answered once', async () => {
  const { relay, client } = await scene();
  let runs = 0;
  const kept = new Map<string, object>();
  relay.answer = (link, { request, data }) => {
    // As a relay does: the first one runs, each one is answered; but the first link dies with the answer.
    const first = !kept.has(request);
    if (first) {
      runs += 1;
      kept.set(request, success((data as { text: string }).text));
    }
    link.taken(request, `chat/send/v1~${request}`);
    if (first) link.cut();
    else link.answer(request, kept.get(request));
  };
  expect(await ask(client, 'hi')).toEqual(success('hi'));
  expect(runs).toBe(1);
  const [first, again] = keys(relay);
  expect(keys(relay)).toHaveLength(2);
  expect(again).toBe(first);
});

it.each([
  ['drop-oldest', ['offline.dropped', 'success', 'success'], { reason: 'full' }],
  ['reject', ['success', 'success', 'offline.queueFull'], { size: 2 }],
] as const)('[SY33 C34 CX1 CX3] the queue has an end: %s', async (dropPolicy, outcome, params) => {
  const { relay, client } = await offline({ offlineQueue: { maxSize: 2, dropPolicy } });
  const responses = ['a', 'b', 'c'].map((text) => ask(client, text));
  answering(relay);
  await relay.comeBack();
  const settled = await Promise.all(responses);
  expect(settled.map((response) => (response.status === 'error' ? response.errorCode : response.status))).toEqual(outcome);
  expect(settled.find(({ status }) => status === 'error')).toMatchObject({ errorParams: params, httpStatus: 503 });
});

it('[SY34 C34 CX1] who waits too long is dropped, and told', async () => {
  const { relay, client } = await offline({ offlineQueue: { maxAgeMs: 50 } });
  expect(await ask(client, 'hi')).toMatchObject({ errorCode: 'offline.dropped', errorParams: { reason: 'expired' } });
  expect(client.status.waiting).toBe(0);
  answering(relay);
  await relay.comeBack();
  await expect.poll(() => client.status.rooms['room']?.state).toBe('online');
  expect(await ask(client, 'later')).toEqual(success('later'));
  expect(relay.links.flatMap(({ asked }) => asked.map(({ data }) => data))).toEqual([{ text: 'later' }]);
});

it('[SY35 CX3] the queue holds 200 requests for an hour, and the oldest gives way', async () => {
  const { client } = await offline();
  const first = ask(client, 'first');
  for (let count = 0; count < 199; count++) void ask(client, String(count));
  expect(client.status.waiting).toBe(200);
  void ask(client, 'one more');
  expect(await first).toMatchObject({ errorCode: 'offline.dropped', errorParams: { reason: 'full' } });
  expect(client.status.waiting).toBe(200);
});

/** What a device keeps: two clients of it see the same. */
function device(): { readonly offlineQueue: { readonly storage: ClientStorage } } {
  return { offlineQueue: { storage: memoryClientStorage() } };
}

/** The same, from a disk that takes its time. */
const slow = ({ open }: ClientStorage): ClientStorage => ({
  async open(name) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return open(name);
  },
});

it('[SY36 C34 CX7] what waits on a device is sent by the client that comes next, in order and under the same keys, before what that one asks', async () => {
  const kept = device();
  const { relay, client } = await offline(kept);
  const waiting = ['f', 'e', 'd', 'c', 'b', 'a'];
  for (const key of waiting) void ask(client, key, { idempotencyKey: key });
  await client.close();
  answering(relay);
  await relay.comeBack();
  const next = clientOf(relay, { offlineQueue: { storage: slow(kept.offlineQueue.storage) } });
  expect(await ask(next, 'g', { idempotencyKey: 'g' })).toEqual(success('g'));
  expect(keys(relay)).toEqual([...waiting, 'g']);
  // They are answered: nobody sends them again.
  await next.close();
  const last = clientOf(relay, kept);
  expect(await ask(last, 'h', { idempotencyKey: 'h' })).toEqual(success('h'));
  expect(keys(relay)).toEqual([...waiting, 'g', 'h']);
});

it('[SY37 CX7] what was sent and not answered when the link was lost waits on the device too', async () => {
  const kept = device();
  const { relay, client } = await scene(kept);
  void ask(client, 'a', { idempotencyKey: 'a' });
  await expect.poll(() => keys(relay)).toEqual(['a']);
  await relay.goAway();
  await expect.poll(() => client.status.waiting).toBe(1);
  await client.close();
  answering(relay);
  await relay.comeBack();
  const next = clientOf(relay, kept);
  await ask(next, 'b', { idempotencyKey: 'b' });
  expect(keys(relay)).toEqual(['a', 'a', 'b']);
});

it('[SY38] what one user asked is never sent as another', async () => {
  const kept = device();
  const token = { current: 'ann' };
  const options = { ...kept, userId: undefined, token: () => token.current };
  const relay = await scriptedRelay();
  // It authenticates: who it is says the token.
  relay.greet = (_link, _userId, entered) => entered(token.current);
  const client = clientOf(relay, options);
  client.join('room');
  await expect.poll(() => client.status.rooms['room']?.state).toBe('online');
  await relay.goAway();
  await expect.poll(() => client.status.rooms['room']?.state).toBe('offline');
  void ask(client, 'of ann', { idempotencyKey: 'of ann' });
  await client.close();
  token.current = 'bob';
  answering(relay);
  await relay.comeBack();
  const next = clientOf(relay, options);
  await ask(next, 'of bob', { idempotencyKey: 'of bob' });
  expect(keys(relay)).toEqual(['of bob']);
});

it('[SY39 CX7] two clients of one device may both send what waits there: it is one request, and each answers who asked it', async () => {
  const kept = device();
  const { relay, client } = await offline(kept);
  const response = ask(client, 'a', { idempotencyKey: 'a' });
  const beside = clientOf(relay, kept);
  answering(relay);
  await relay.comeBack();
  expect(await response).toEqual(success('a'));
  expect(await ask(beside, 'b', { idempotencyKey: 'b' })).toEqual(success('b'));
  expect(new Set(keys(relay))).toEqual(new Set(['a', 'b']));
});

it('[SY40] a storage that fails costs nothing but what outlives the tab', async () => {
  const broken = { open: () => Promise.reject(new Error('no disk')) };
  const { relay, client } = await offline({ offlineQueue: { storage: broken } });
  const response = ask(client, 'a');
  answering(relay);
  await relay.comeBack();
  expect(await response).toEqual(success('a'));
});

it('[SY41] the status tells of rooms and of what waits, as another object after each change', async () => {
  const { relay, client } = await scene({ rooms: ['room'] });
  const seen: unknown[] = [];
  const stop = client.subscribe(() => seen.push(client.status));
  await expect.poll(() => client.status.rooms['room']?.state).toBe('online');
  const before = client.status;
  expect(client.status).toBe(before);
  await relay.goAway();
  await expect.poll(() => client.status.rooms['room']?.state).toBe('offline');
  void ask(client, 'a');
  expect(client.status.waiting).toBe(1);
  stop();
  const count = seen.length;
  expect(new Set(seen).size).toBe(count);
  void ask(client, 'b');
  expect(client.status.waiting).toBe(2);
  expect(seen).toHaveLength(count);
});

it('[SY55] what was at the relay for longer than requests may wait is not dropped when its link is lost', async () => {
  const { relay, client } = await scene({ offlineQueue: { maxAgeMs: 500 } });
  const response = ask(client, 'a', { idempotencyKey: 'a' });
  await expect.poll(() => keys(relay)).toEqual(['a']);
  relay.links[0]?.taken('a', 'chat/send/v1~a');
  await new Promise((resolve) => setTimeout(resolve, 600));
  answering(relay);
  relay.links[0]?.cut();
  expect(await response).toEqual(success('a'));
});

it('[SY56 C38] what waited and comes too fast for the relay goes again when it may; what did not wait is told', async () => {
  const { relay, client } = await offline();
  const responses = ['a', 'b', 'c'].map((text) => ask(client, text, { idempotencyKey: text }));
  const limit = { status: 'error', message: 'Too fast', errorCode: 'sync.rateLimitExceeded', errorParams: { seconds: 1 }, httpStatus: 429 };
  let left = 1;
  relay.answer = (link, { request, data }) => link.answer(request, left-- > 0 ? success((data as { text: string }).text) : limit);
  await relay.comeBack();
  await expect.poll(() => keys(relay)).toEqual(['a', 'b', 'c']);
  expect(await ask(client, 'd', { idempotencyKey: 'd' })).toEqual(limit);
  left = 2;
  expect(await Promise.all(responses)).toEqual(['a', 'b', 'c'].map(success));
  expect(keys(relay)).toEqual(['a', 'b', 'c', 'd', 'b', 'c']);
});

it('[SY67 C38] what the relay was asked too fast for, and never took, waits as what was not sent', async () => {
  const { relay, client } = await offline({ offlineQueue: { maxAgeMs: 500 } });
  const response = ask(client, 'a');
  const limit = {
    status: 'error',
    message: 'Too fast',
    errorCode: 'sync.rateLimitExceeded',
    errorParams: { seconds: 60 },
    httpStatus: 429,
  };
  relay.answer = (link, { request }) => link.answer(request, limit);
  await relay.comeBack();
  expect(await response).toMatchObject({ errorCode: 'offline.dropped', errorParams: { reason: 'expired' } });
  expect(keys(relay)).toHaveLength(1);
});

it('[SY68 CX1] closing a client tells who waits for a request that is kept that it is, and who waits for another that there is no link', async () => {
  const { relay, client } = await offline(device());
  const broken = { open: () => Promise.reject(new Error('no disk')) };
  const others = [{}, { offlineQueue: { storage: broken } }].map((options) => clientOf(relay, options));
  const waiting = [client, ...others].map((one) => ask(one, 'a', { idempotencyKey: 'mine' }));
  for (const one of [client, ...others]) await one.close();
  const answers = await Promise.all(waiting);
  expect(answers.map((answer) => answer.status === 'error' && answer.errorCode)).toEqual([
    'offline.kept',
    'sync.ioUnavailable',
    'sync.ioUnavailable',
  ]);
  expect(answers[0]).toMatchObject({ errorParams: { key: 'mine' }, message: expect.stringContaining('next client'), httpStatus: 503 });
});
