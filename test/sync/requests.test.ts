import { createSyncClient } from 'cotable/client';
import { webSocket } from 'cotable/transports/websocket';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { answer, answering, ask, clientOf, scene, success, type Client, type Spoken } from './scene.ts';
import { scriptedRelay } from './scripted-relay.ts';

/** A request that the compiler would not take. */
const wrong = (client: Client, request: object): ReturnType<typeof ask> => Reflect.apply(client.syncRequest, undefined, [request]);

it('[SY1 C1 C19 C44] a request goes to its room as one frame, and its promise gives what the relay answers', async () => {
  const { relay, client } = await scene({ locale: 'nl' });
  relay.answer = (link, { request }) => link.answer(request, success('hello'));
  expect(await ask(client, 'hi', { ignoreSelf: true, idempotencyKey: 'key' })).toEqual(success('hello'));
  const [link] = relay.links;
  expect(link?.said).toEqual([
    { type: 'enter', room: 'room', userId: 'ann', token: '', streams: [] },
    {
      type: 'sync',
      request: 'key',
      name: 'chat/send',
      version: 'v1',
      data: { text: 'hi' },
      locale: 'nl',
      ignoreSelf: true,
      requireReceivers: false,
    },
  ]);
});

it('[SY2 C2 C17 C18 C19] a failure comes as the relay words it: message, code, params and status', async () => {
  const { relay, client } = await scene();
  const failure = { status: 'error', message: 'Nee', errorCode: 'chat.muted', errorParams: { until: 5 }, httpStatus: 403 };
  relay.answer = (link, { request }) => link.answer(request, failure);
  expect(await ask(client, 'hi')).toEqual(failure);
});

it.each([
  [{ name: '' }, 'sync.invalidName', 400],
  [{ name: 'updateCounter' }, 'routing.invalidServiceRouteName', 400],
  [{ name: 'chat/' }, 'routing.invalidServiceRouteName', 400],
  [{ name: 'chat/send~x' }, 'routing.invalidServiceRouteName', 400],
  [{ version: '1' }, 'sync.invalidVersion', 400],
  [{ version: undefined }, 'sync.invalidVersion', 400],
  [{ receiver: '' }, 'sync.missingReceiver', 400],
  [{ receiver: undefined }, 'sync.missingReceiver', 400],
  [{ receiver: 'r'.repeat(257) }, 'room.invalidName', 400],
  [{ data: 1n }, 'value.notJson', 400],
  [{ data: 'x'.repeat(300_000) }, 'protocol.frameTooLarge', 413],
  [{ idempotencyKey: '' }, 'sync.invalidRequest', 400],
  [{ idempotencyKey: 'k'.repeat(257) }, 'sync.invalidRequest', 400],
  [{ idempotencyKey: 'half \ud83d' }, 'sync.invalidRequest', 400],
  [{ signal: AbortSignal.abort() }, 'request.aborted', 409],
] as const)(
  '[SY3 C6 CX1] a request that cannot be is answered here, with its code, and sends nothing: %o is %s',
  async (part, code, status) => {
    const { relay, client } = await scene();
    const response = await wrong(client, { name: 'chat/send', version: 'v1', data: {}, receiver: 'room', ...part });
    expect(response).toMatchObject({ status: 'error', errorCode: code, httpStatus: status, message: expect.stringMatching(/\w/) });
    expect(relay.links).toEqual([]);
  },
);

it('[SY4 C5] names may have as many segments as an app likes', async () => {
  const { relay, client } = await scene();
  relay.answer = (link, { request, name }) => link.answer(request, success(name));
  const response = await wrong(client, { name: 'test/nestedTest/room', version: 'v12', data: null, receiver: 'room' });
  expect(response).toEqual(success('test/nestedTest/room'));
});

it('[SY5 CX1] without a way to a relay, and once the client is closed, the answer is sync.ioUnavailable', async () => {
  const relay = await scriptedRelay();
  const client = clientOf(relay);
  const waiting = ask(client, 'waits');
  await expect.poll(() => relay.links[0]?.asked.length).toBe(1);
  await client.close();
  expect(await waiting).toMatchObject({ errorCode: 'sync.ioUnavailable', httpStatus: 503 });
  expect(await ask(client, 'later')).toMatchObject({ errorCode: 'sync.ioUnavailable' });
  const alone = { connection: { room: 'room', transports: [], userId: 'ann', identify: async () => 'ann', token: undefined } };
  const other = createSyncClient<Spoken>({ link: alone });
  expect(await ask(other, 'hi')).toMatchObject({ errorCode: 'sync.ioUnavailable' });
  await other.close();
});

it('[SY6 CX1] an answer that is none is sync.invalidServerResponse', async () => {
  const { relay, client } = await scene();
  const bodies = ['no JSON', 'null', '{"status":"success"}', '{"status":"odd","message":""}'];
  relay.answer = (link, { request, data }) => link.answer(request, bodies[Number((data as { text: string }).text)]);
  for (const index of bodies.keys()) {
    expect(await ask(client, String(index))).toMatchObject({ errorCode: 'sync.invalidServerResponse', httpStatus: 502 });
  }
});

it('[SY7 CX1] a request of which nothing is heard in time is sync.requestTimeout', async () => {
  const { relay, client } = await scene({ requestTimeoutMs: 30 });
  expect(await ask(client, 'hi')).toMatchObject({
    errorCode: 'sync.requestTimeout',
    errorParams: { name: 'chat/send', ms: 30 },
    httpStatus: 504,
  });
  // Its handler may be at work for others: nothing is taken back.
  expect(relay.links[0]?.said.map(({ type }) => type)).toEqual(['enter', 'sync']);
});

it('[SY8 CX7] one that was taken does not time out, however long it takes', async () => {
  const { relay, client } = await scene({ requestTimeoutMs: 30 });
  relay.answer = (link, { request }) => {
    link.taken(request, 'chat/send/v1~1');
    setTimeout(() => link.answer(request, success('late')), 200);
  };
  expect(await ask(client, 'hi')).toEqual(success('late'));
});

it('[SY9 CX7] with timeoutMs it is silence that counts: each piece is a sign of life', async () => {
  const { relay, client } = await scene();
  const run = 'chat/send/v1~1';
  relay.answer = (link, { request }) => {
    link.taken(request, run);
    link.stream(run);
    let said = 0;
    const timer = setInterval(() => {
      if (said === 8) clearInterval(timer);
      else link.delta(run, said++, [[0, { phase: 'at work' }]]);
    }, 50);
  };
  const phases: unknown[] = [];
  const begun = Date.now();
  const response = await ask(client, 'hi', { timeoutMs: 200, onStream: (piece) => phases.push(piece) });
  expect(response).toMatchObject({ errorCode: 'sync.requestTimeout', errorParams: { ms: 200 } });
  expect(phases).toHaveLength(8);
  expect(Date.now() - begun).toBeGreaterThan(500);
});

it('[SY10 CX1 CX7] aborting a request ends the wait and tells the relay', async () => {
  const { relay, client } = await scene();
  const stop = new AbortController();
  const response = ask(client, 'hi', { signal: stop.signal, idempotencyKey: 'key' });
  await expect.poll(() => relay.links[0]?.asked.length).toBe(1);
  stop.abort();
  expect(await response).toMatchObject({ errorCode: 'request.aborted' });
  await expect.poll(() => relay.links[0]?.said.at(-1)).toEqual({ type: 'drop', request: 'key' });
});

it('[SY11] what was aborted without a link is told to the relay over the next one, if it can have heard of it', async () => {
  const { relay, client } = await scene();
  const stop = new AbortController();
  const sent = ask(client, 'sent', { signal: stop.signal, idempotencyKey: 'sent' });
  await expect.poll(() => relay.links[0]?.asked.length).toBe(1);
  await relay.goAway();
  await expect.poll(() => client.status.rooms['room']?.state).toBe('offline');
  const unsent = ask(client, 'unsent', { signal: stop.signal, idempotencyKey: 'unsent' });
  stop.abort();
  expect([await sent, await unsent]).toMatchObject([{ errorCode: 'request.aborted' }, { errorCode: 'request.aborted' }]);
  answering(relay);
  await relay.comeBack();
  expect(await ask(client, 'later', { idempotencyKey: 'later' })).toEqual(success('later'));
  expect(
    relay.links
      .at(-1)
      ?.said.slice(1)
      .map((one) => [one.type, 'request' in one && one.request]),
  ).toEqual([
    ['drop', 'sent'],
    ['sync', 'later'],
  ]);
});

it('[SY12] asking again with the same key while the first waits is the same request; another one under it is refused', async () => {
  const { relay, client } = await scene();
  const first = ask(client, 'hi', { idempotencyKey: 'key' });
  const again = ask(client, 'hi', { idempotencyKey: 'key' });
  expect(await ask(client, 'other', { idempotencyKey: 'key' })).toMatchObject({ errorCode: 'action.idempotencyMismatch', httpStatus: 422 });
  await expect.poll(() => relay.links[0]?.asked.length).toBe(1);
  relay.links[0]?.answer('key', success('hi'));
  expect(await Promise.all([first, again])).toEqual([success('hi'), success('hi')]);
  expect(relay.links[0]?.asked).toHaveLength(1);
});

it('[SY13] each room has a link of its own; one that was only asked does not hear events', async () => {
  const { relay, client } = await scene({ rooms: ['joined'] });
  answering(relay);
  expect(await ask(client, 'hi', { receiver: 'asked' })).toEqual(success('hi'));
  const of = (room: string): readonly string[] | undefined =>
    relay.links.find(({ said }) => said.some((one) => one.type === 'enter' && one.room === room))?.said.map(({ type }) => type);
  await expect.poll(() => of('joined')).toEqual(['enter', 'listen']);
  expect(of('asked')).toEqual(['enter', 'sync']);
  expect(Object.keys(client.status.rooms).toSorted()).toEqual(['asked', 'joined']);
});

it('[SY14] a room that is refused answers what was asked of it with the reason, and says so; it is tried again', async () => {
  const { relay, client } = await scene();
  relay.greet = (link) => link.fail('auth.forbidden', { room: 'room' });
  expect(await ask(client, 'hi')).toMatchObject({ errorCode: 'auth.forbidden', httpStatus: 403 });
  expect(client.status.rooms['room']).toMatchObject({ state: 'denied', reason: { code: 'auth.forbidden' } });
  const seen = new Set<unknown>();
  client.subscribe(() => seen.add(client.status.rooms['room']?.state));
  await expect.poll(() => relay.links.length).toBeGreaterThan(2);
  expect(seen).toEqual(new Set(['denied']));
  relay.greet = (_link, _userId, entered) => entered();
  answering(relay);
  await expect.poll(() => client.status.rooms['room']?.state).toBe('online');
  expect(await ask(client, 'again')).toEqual(success('again'));
});

it('[SY15] a token is asked for at each link and shown again before it ends; one that cannot be had costs no request', async () => {
  let tokens = 0;
  const relay = await scriptedRelay();
  answering(relay);
  const client = clientOf(relay, {
    token: async () => {
      tokens += 1;
      if (tokens === 1) throw new Error('no network');
      return `token ${tokens}`;
    },
  });
  expect(await ask(client, 'hi')).toEqual(success('hi'));
  const link = relay.links.at(-1);
  expect(link?.said[0]).toMatchObject({ type: 'enter', token: 'token 2' });
  link?.grant(1_000);
  await expect.poll(() => link?.said.at(-1)).toEqual({ type: 'auth', token: 'token 3' });
});

it('[SY16] with a store, its ways, room, token and identity are used', async () => {
  const relay = await scriptedRelay();
  answering(relay);
  const connection = {
    room: 'of-the-store',
    transports: [webSocket(relay.url, { WebSocket })],
    userId: undefined,
    identify: async () => 'device-1',
    token: () => 'of the store',
  };
  const client = createSyncClient<Spoken>({ link: { connection } });
  expect(await ask(client, 'hi', { receiver: 'of-the-store' })).toEqual(success('hi'));
  expect(relay.links[0]?.said.slice(0, 2)).toEqual([
    { type: 'enter', room: 'of-the-store', userId: 'device-1', token: 'of the store', streams: [] },
    { type: 'listen', isOn: true },
  ]);
  await client.close();
});

it('[SY62] a request that this relay finds too large is told so, and costs its room no more than one link', async () => {
  const { relay, client } = await scene();
  relay.answer = (link, { request, data }) => {
    const { text } = data as { text: string };
    if (text.length > 1000) link.fail('protocol.frameTooLarge', { bytes: 1100, limit: 1000 });
    else answer(link, request, data);
  };
  const [large, small] = await Promise.all([ask(client, 'x'.repeat(1001)), ask(client, 'small')]);
  expect(large).toMatchObject({ status: 'error', errorCode: 'protocol.frameTooLarge', errorParams: { limit: 1000 }, httpStatus: 413 });
  expect(small).toEqual(success('small'));
  expect(relay.links).toHaveLength(2);
});
