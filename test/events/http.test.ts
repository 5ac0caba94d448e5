import { createParser } from 'eventsource-parser';
import { defineEvents } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { gate } from '../runs/scene.ts';
import { scene, schema } from './scene.ts';

interface Post {
  readonly path?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const call = (http: string, { path = '/sync/examples/updateCounter/v1', body, headers = {} }: Post): Promise<Response> =>
  fetch(`${http}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer ann', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** The events of an answer as a parser of the standard reads them. */
async function* eventsOf(response: Response): AsyncGenerator<{ readonly event: string | undefined; readonly data: unknown }> {
  const found: { event: string | undefined; data: unknown }[] = [];
  const parser = createParser({ onEvent: ({ event, data }) => void found.push({ event, data: JSON.parse(data) }) });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* found.splice(0);
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function counter(more: Parameters<typeof scene>[1] = {}) {
  const { passed, open } = gate();
  const calls: number[] = [];
  const events = defineEvents({ schema }, (event) => ({
    'examples/updateCounter': {
      v1: event({
        input: z.object({ amount: z.number() }),
        stream: { kind: 'items', of: z.object({ step: z.number() }) },
        server: async ({ clientInput, stream, broadcastStream, user }) => {
          calls.push(clientInput.amount);
          stream({ step: 1 });
          broadcastStream({ step: 100 });
          if (clientInput.amount > 5) await passed;
          stream({ step: 2 });
          return { status: 'success', newValue: clientInput.amount + 1, by: user.userId };
        },
      }),
    },
    'test/nested/deeper/room': {
      v2: event({
        auth: { login: false },
        input: z.object({}),
        stream: { kind: 'text' },
        server: ({ stream, user }) => {
          stream('for nobody');
          return { status: 'success', user: user?.userId ?? 'nobody' };
        },
      }),
    },
  }));
  const place = await scene(events, {
    authenticate: ({ token }) => (token ? { userId: token, role: 'member' as const } : null),
    authorize: (_, room) => (room === 'secret' ? 'none' : 'write'),
    ...more,
  });
  return { ...place, open, calls };
}

describe('an event asked for over HTTP', () => {
  it('[EV25 C35 C36] answers with the result, and is delivered over links', async () => {
    const { http, enter } = await counter();
    const ben = await enter('', { token: 'ben' });
    const response = await call(http, { body: { data: { amount: 5 }, receiver: 'room' } });
    expect([response.status, response.headers.get('content-type'), response.headers.has('x-request-id')]).toEqual([
      200,
      'application/json',
      true,
    ]);
    expect(await response.json()).toEqual({ status: 'success', message: 'Done', result: { newValue: 6, by: 'ann' }, recipientCount: 1 });
    await ben.until(() => ben.events().length === 1);
    expect(ben.pieces()).toEqual([{ step: 100 }]);
    expect(ben.pieces(0)).toEqual([]);
    const alone = await call(http, {
      body: { data: { amount: 1 }, receiver: 'room', ignoreSelf: true },
      headers: { authorization: 'Bearer ben' },
    });
    expect(await alone.json()).toMatchObject({ status: 'success', recipientCount: 0 });
  });

  it('[EV26 C5 C35] takes names of any depth, and who nobody knows where the event does', async () => {
    const { http } = await counter();
    const path = '/sync/test/nested/deeper/room/v2';
    expect(await (await call(http, { path, body: { data: {}, receiver: 'room' } })).json()).toMatchObject({ result: { user: 'ann' } });
    const headers = { authorization: '', accept: 'text/event-stream' };
    const response = await call(http, { path, body: { data: {}, receiver: 'room' }, headers });
    const heard = await all(eventsOf(response));
    expect(heard).toEqual([
      { event: 'stream', data: 'for nobody' },
      { event: 'final', data: { status: 'success', message: 'Done', result: { user: 'nobody' }, recipientCount: 0 } },
    ]);
  });

  it('[EV27 C35 CX2] refuses what is no request, with the status of the code', async () => {
    const { http, calls } = await counter();
    const body = { data: { amount: 1 }, receiver: 'room' };
    const wrong: [Post, number, string][] = [
      [{ body: '{' }, 400, 'sync.invalidRequest'],
      [{ body: [] }, 400, 'sync.invalidRequest'],
      [{ body: { ...body, ignoreSelf: 'yes' } }, 400, 'sync.invalidRequest'],
      [{ body: { ...body, receiver: 7 } }, 400, 'sync.invalidRequest'],
      [{ body: { data: { amount: 1 } } }, 400, 'sync.missingReceiver'],
      [{ body: { ...body, receiver: 'x'.repeat(300) } }, 400, 'room.invalidName'],
      [{ body: { receiver: 'room' } }, 400, 'sync.invalidInputType'],
      [{ body: { ...body, data: { amount: 'x' } } }, 400, 'sync.invalidInputType'],
      [{ body, path: '/sync/updateCounter/v1' }, 400, 'routing.invalidServiceRouteName'],
      [{ body, path: '/sync/examples/updateCounter/1' }, 400, 'sync.invalidVersion'],
      [{ body, path: '/sync/examples/updateCounter' }, 400, 'routing.invalidServiceRouteName'],
      [{ body, path: '/sync/examples/updateCounter/v2' }, 404, 'sync.notFound'],
      [{ body, headers: { authorization: '' } }, 401, 'auth.required'],
      [{ body: { ...body, receiver: 'secret' } }, 403, 'auth.forbidden'],
      [{ body: { ...body, userId: 'ben' } }, 403, 'auth.otherUser'],
      [{ body: { ...body, requireReceivers: true } }, 404, 'sync.noReceiversFound'],
      [{ body, headers: { 'idempotency-key': 'x'.repeat(300) } }, 400, 'sync.invalidRequest'],
    ];
    for (const [post, status, errorCode] of wrong) {
      const response = await call(http, post);
      const answer = (await response.json()) as object;
      expect([response.status, answer], JSON.stringify(post)).toMatchObject([
        status,
        { status: 'error', errorCode, httpStatus: status, message: expect.any(String) },
      ]);
    }
    expect(calls).toEqual([]);
  });

  it('[EV4 C8] runs once for an Idempotency-Key, in the header or in the body', async () => {
    const { http, calls } = await counter();
    const body = { data: { amount: 1 }, receiver: 'room' };
    const answers = [];
    for (const post of [{ body, headers: { 'idempotency-key': 'k' } }, { body: { ...body, idempotencyKey: 'k' } }])
      answers.push(await (await call(http, post)).json());
    expect(answers[0]).toEqual(answers[1]);
    expect(calls).toEqual([1]);
    const other = await call(http, { body: { ...body, data: { amount: 2 }, idempotencyKey: 'k' } });
    expect([other.status, await other.json()]).toMatchObject([422, { errorCode: 'action.idempotencyMismatch' }]);
    await call(http, { body });
    expect(calls).toEqual([1, 1]);
  });

  it('[EV28 C37] streams what is said to who asked, as it is said, by header or by query', async () => {
    const { http, open } = await counter();
    const body = { data: { amount: 9 }, receiver: 'room' };
    const response = await call(http, { body, path: '/sync/examples/updateCounter/v1?stream=true' });
    expect(response.headers.get('content-type')).toMatch('text/event-stream');
    const events = eventsOf(response);
    expect(await events.next()).toEqual({ done: false, value: { event: 'stream', data: { step: 1 } } });
    open();
    const final = { event: 'final', data: { status: 'success', message: 'Done', result: { newValue: 10, by: 'ann' }, recipientCount: 0 } };
    expect(await all(events)).toEqual([{ event: 'stream', data: { step: 2 } }, final]);
    const again = await call(http, { body, headers: { accept: 'text/event-stream' } });
    expect(await all(eventsOf(again))).toEqual([{ event: 'stream', data: { step: 1 } }, { event: 'stream', data: { step: 2 } }, final]);
    // What is refused before anything is said is an answer as without a stream.
    const refused = await call(http, { body: { ...body, data: {} }, headers: { accept: 'text/event-stream' } });
    expect([refused.status, refused.headers.get('content-type')]).toEqual([400, 'application/json']);
  });

  it.each(['revoke', 'recheck'] as const)('[EV42] ends what somebody reads by %s; what they asked for goes on', async (way) => {
    const gone = new Set<string>();
    const { http, open, calls, relay } = await counter({ authorize: ({ userId }) => (gone.has(userId) ? 'none' : 'write') });
    const asked = { data: { amount: 9 }, receiver: 'room', idempotencyKey: 'k' };
    const read = (token: string): Promise<Response> =>
      call(http, { body: asked, path: '/sync/examples/updateCounter/v1?stream=true', headers: { authorization: `Bearer ${token}` } });
    const [ann, ben] = [eventsOf(await read('ann')), eventsOf(await read('ben'))];
    for (const events of [ann, ben]) expect((await events.next()).value).toEqual({ event: 'stream', data: { step: 1 } });
    gone.add('ann');
    if (way === 'revoke') relay.revoke('ann');
    else await relay.recheck('room');
    expect(await all(ann)).toEqual([]);
    open();
    expect((await all(ben)).map(({ event }) => event)).toEqual(['stream', 'final']);
    await relay.drain();
    expect(calls).toEqual([9, 9]);
    gone.clear();
    expect(await (await call(http, { body: asked })).json()).toMatchObject({ status: 'success', result: { newValue: 10 } });
    expect(calls).toEqual([9, 9]);
  });

  it('[EV42] gives nothing to who was revoked while it was being found out what they may do', async () => {
    const asked = gate();
    const may = gate();
    const { http, open, relay } = await counter({
      async authorize() {
        asked.open();
        await may.passed;
        return 'write' as const;
      },
    });
    const body = { data: { amount: 9 }, receiver: 'room' };
    const answer = call(http, { body, path: '/sync/examples/updateCounter/v1?stream=true' });
    await asked.passed;
    relay.revoke('ann');
    may.open();
    expect(await all(eventsOf(await answer))).toEqual([]);
    open();
  });

  it('[EV9 CX7] goes on when who asked is gone', async () => {
    const { http, enter, open, calls } = await counter();
    const ben = await enter('', { token: 'ben' });
    const gone = new AbortController();
    const post = { data: { amount: 9 }, receiver: 'room', idempotencyKey: 'k' };
    const asked = fetch(`${http}/sync/examples/updateCounter/v1?stream=true`, {
      method: 'POST',
      headers: { authorization: 'Bearer ann' },
      body: JSON.stringify(post),
      signal: gone.signal,
    });
    const first = await eventsOf(await asked).next();
    expect(first.value).toEqual({ event: 'stream', data: { step: 1 } });
    gone.abort();
    open();
    await ben.until(() => ben.events().length === 1);
    expect(await (await call(http, { body: post })).json()).toMatchObject({ status: 'success', recipientCount: 1 });
    expect(calls).toEqual([9]);
  });

  it('[EV15 C38] is limited like over links, and says when to try again', async () => {
    const { http, calls } = await counter({ rateLimiting: { defaultApiLimit: 2, defaultIpLimit: 5 } });
    const body = { data: { amount: 1 }, receiver: 'room' };
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await call(http, { body })).status);
    expect(statuses).toEqual([200, 200, 429]);
    const headers = { authorization: 'Bearer ben' };
    expect((await call(http, { body, headers })).status).toBe(200);
    // What is no request counts for the address.
    expect((await call(http, { body: '{', headers })).status).toBe(400);
    const limited = await call(http, { body, headers: { ...headers, 'accept-language': 'en' } });
    expect(limited.status).toBe(429);
    const answer = (await limited.json()) as { errorCode: string; errorParams: { seconds: number } };
    expect(answer).toMatchObject({ errorCode: 'sync.rateLimitExceeded', errorParams: { seconds: expect.any(Number) } });
    expect(Number(limited.headers.get('retry-after'))).toBe(answer.errorParams.seconds);
    expect(calls).toHaveLength(3);
  });

  it('[EV29] is described by the OpenAPI document, with what each takes and an error answers', async () => {
    const { http } = await counter();
    const { paths, components } = (await (await fetch(`${http}/openapi.json`)).json()) as {
      paths: Record<string, { post: unknown }>;
      components: { schemas: { Error: { required: readonly string[] } } };
    };
    expect(Object.keys(paths).filter((path) => path.startsWith('/sync/'))).toEqual([
      '/sync/examples/updateCounter/v1',
      '/sync/test/nested/deeper/room/v2',
    ]);
    expect(paths['/sync/examples/updateCounter/v1']).toMatchObject({
      post: {
        security: [{ token: [] }],
        requestBody: {
          content: { 'application/json': { schema: { properties: { data: { properties: { amount: { type: 'number' } } } } } } },
        },
      },
    });
    expect(paths['/sync/test/nested/deeper/room/v2']?.post).not.toHaveProperty('security');
    expect(paths['/sync/test/nested/deeper/room/v2']?.post).toHaveProperty('operationId', 'post.sync.test.nested.deeper.room.v2');
    // An error is what is said of errors, when there is nothing more to tell too.
    const refused = await (await call(http, { body: { data: { amount: 1 } } })).json();
    expect(Object.keys(refused as object)).toEqual(expect.arrayContaining([...components.schemas.Error.required]));
    expect(refused).toMatchObject({ errorCode: 'sync.missingReceiver', errorParams: {} });
  });
});
