import { defineSchema } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createClient } from 'cotable/client';
import { createRelay, defineBackendConfig, defineFlow, type BackendConfig } from 'cotable/relay';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { allEvents, eventsOf, gate, send, serve, typesOf, type Kept, type schema, type Served } from './scene.ts';

const calls: string[] = [];
let wait = gate();
const flow = defineFlow({
  kind: 'app',
  actions: {
    hello: { inputSchema: z.object({ n: z.number().optional() }), block: ({ n }, { userId }) => calls.push(`${userId} ${n}`) && userId },
    wait: { inputSchema: z.object({}), block: () => wait.passed },
    talk: {
      inputSchema: z.object({}),
      block(_, ctx) {
        ctx.addItem({ role: 'assistant', text: 'hello' });
        return wait.passed;
      },
    },
  },
});
const hello = '/api/flows/app/actions/hello';
/** A token is the name of a user. */
const authenticate: BackendConfig<typeof schema>['authenticate'] = ({ token }) => (token ? { userId: token } : null);
const as = (token: string) => ({ authorization: `Bearer ${token}` });
const refusal = async (response: Response): Promise<unknown> => [response.status, (await response.json()).errorCode];

async function begin(served: Served, token: string): Promise<Kept> {
  const response = await served.post(hello, { input: {}, userId: token }, as(token));
  expect(response.status).toBe(202);
  return (await response.json()) as Kept;
}

describe('who asks a flow', () => {
  it('[FL17 B13] is who the backend says: another name in the body is refused, and none is needed', async () => {
    const served = await serve([flow], { backend: { authenticate } });
    expect(await refusal(await served.post(hello, { input: {}, userId: 'bob' }))).toEqual([401, 'auth.required']);
    expect(await refusal(await served.post(hello, { input: {}, userId: 'bob' }, as('ann')))).toEqual([403, 'auth.otherUser']);
    const response = await served.post(hello, '{ "input": {} }', as('ann'));
    const { requestId } = (await response.json()) as Kept;
    const path = `/api/flows/app/requests/${requestId}`;
    expect((await allEvents(await served.get(`${path}/stream`, as('ann')))).at(-1)).toMatchObject({ result: 'ann' });
    expect(await refusal(await served.get(`${path}/stream`))).toEqual([401, 'auth.required']);
    expect(await refusal(await served.get(`${path}/status`))).toEqual([401, 'auth.required']);
    const client = createClient({ flowKind: 'app', userId: 'ann', token: () => 'ann', baseUrl: served.base });
    expect(await (await client.sendAction('hello', {})).result).toBe('ann');
  });

  it('[FL17] is known to the block, with what the backend says of them', async () => {
    const session = z.object({ role: z.string() });
    const seen: unknown[] = [];
    const role = defineFlow({
      kind: 'role',
      actions: { ask: { inputSchema: z.object({}), block: (_, ctx) => void seen.push(ctx.session) } },
    });
    const backend = defineBackendConfig({
      schema: defineSchema({ schemaVersion: 1, tables: {}, mutators: {}, session }),
      mutators: {},
      flows: [role],
      authenticate: ({ token = '' }) => ({ userId: token, role: 'guest' }),
    });
    const relay = createRelay({ backend, storage: memoryRelayStorage() });
    onTestFinished(() => relay.close());
    const init = { method: 'POST', headers: as('ann'), body: '{ "input": {} }' };
    expect((await relay.fetch(new Request('http://relay/api/flows/role/actions/ask', init))).status).toBe(202);
    await relay.drain();
    expect(seen).toEqual([{ userId: 'ann', role: 'guest' }]);
  });

  it('[FL18] has its session for itself, until `authorize` says otherwise', async () => {
    const served = await serve([flow], { backend: { authenticate } });
    const { session, requestId } = await begin(served, 'ann');
    const foreign = (base: Served): Promise<Response>[] => [
      base.post(`/api/flows/app/${session.id}/actions/hello`, { input: {}, userId: 'bob' }, as('bob')),
      base.get(`/api/flows/app/${session.id}`, as('bob')),
      base.get(`/api/flows/app/requests/${requestId}/stream`, as('bob')),
      base.get(`/api/flows/app/requests/${requestId}/status`, as('bob')),
      base.post(`/api/flows/app/requests/${requestId}/abort`, { userId: 'bob' }, as('bob')),
    ];
    for (const response of foreign(served)) expect(await refusal(await response)).toEqual([403, 'auth.forbidden']);

    const asked: string[] = [];
    const shared = await serve([flow], {
      backend: { authenticate, authorize: ({ userId }, room) => (asked.push(`${userId} ${room}`), userId === 'bob' ? 'read' : 'none') },
    });
    const own = await begin(shared, 'ann');
    // Whose it is need not be asked.
    expect(asked).toEqual([]);
    await shared.relay.drain();
    const status = await shared.get(`/api/flows/app/requests/${own.requestId}/status`, as('bob'));
    expect([status.status, asked]).toEqual([200, [`bob ${own.session.id}`]]);
    const path = `/api/flows/app/${own.session.id}/actions/hello`;
    expect(await refusal(await shared.post(path, { input: {}, userId: 'bob' }, as('bob')))).toEqual([403, 'auth.forbidden']);
    expect(await refusal(await shared.get(`/api/flows/app/${own.session.id}`, as('carl')))).toEqual([403, 'auth.forbidden']);
  });

  it('[FL19 BX1] asks for what is there: 404 for a flow, an action or a session that is not, 413 for too much', async () => {
    const served = await serve([flow], { limits: { messageBytes: 2_000 } });
    const { session } = await send(served, hello, {});
    for (const path of ['/api/flows/other/actions/hello', '/api/flows/app/actions/toString', '/api/flows/app/actions/nothing']) {
      expect(await refusal(await served.post(path, { input: {} }))).toEqual([404, 'flow.unknown']);
    }
    for (const id of [`app~${'0'.repeat(48)}`, `${session.id}0`, 'sess_123', 'app', session.id.replace('app~', 'other~')]) {
      expect(await refusal(await served.post(`/api/flows/app/${id}/actions/hello`, { input: {} }))).toEqual([404, 'flow.sessionNotFound']);
      expect(await refusal(await served.get(`/api/flows/app/${id}?userId=ann`))).toEqual([404, 'flow.sessionNotFound']);
    }
    const long = { input: { text: 'x'.repeat(3_000) } };
    expect(await refusal(await served.post(hello, long))).toEqual([413, 'request.tooLarge']);
  });

  it('[FL20 BX1] waits for its turn: a relay with too many requests that have not ended says when to ask again', async () => {
    wait = gate();
    const served = await serve([flow], { limits: { flowRequests: 2 } });
    await send(served, '/api/flows/app/actions/wait', {});
    await send(served, '/api/flows/app/actions/wait', {});
    const full = await served.post('/api/flows/app/actions/wait', { input: {} });
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await full.json()).toMatchObject({ errorCode: 'flow.capacity', errorParams: { limit: 2, seconds: 1 } });
    wait.open();
    await served.relay.drain();
    await send(served, '/api/flows/app/actions/wait', {});
  });

  it('[FL39] reads until they are revoked, and what was said by then is all that comes; others read on', async () => {
    wait = gate();
    const gone = new Set<string>();
    const served = await serve([flow], {
      backend: {
        authenticate: ({ token = '' }) => (gone.has(token) ? null : { userId: token }),
        authorize: () => 'write',
      },
    });
    const response = await served.post('/api/flows/app/actions/talk', { input: {} }, as('ann'));
    const { requestId } = (await response.json()) as Kept;
    const path = `/api/flows/app/requests/${requestId}/stream`;
    const read = allEvents(await served.get(path, as('bob')));
    const heard: string[] = [];
    const begun = gate();
    const reading = (async () => {
      for await (const { type } of eventsOf(await served.get(path, as('ann')))) if (heard.push(type) === 4) begun.open();
    })();
    await begun.passed;
    gone.add('ann');
    served.relay.revoke('ann');
    await reading;
    expect(heard).toEqual(['request.created', 'request.in_progress', 'item.added', 'content.added']);
    expect(await refusal(await served.get(path, as('ann')))).toEqual([401, 'auth.expired']);
    wait.open();
    expect(typesOf(await read).at(-1)).toBe('request.completed');
    // Whoever is let in again may read again.
    gone.clear();
    expect(typesOf(await allEvents(await served.get(path, as('ann')))).at(-1)).toBe('request.completed');
  });

  it('[FL39] reads for as long as they may read there', async () => {
    wait = gate();
    const gone = new Set<string>();
    const served = await serve([flow], {
      backend: {
        authenticate: ({ token = '' }) => ({ userId: token }),
        authorize: ({ userId }) => (gone.has(userId) ? 'none' : 'write'),
      },
    });
    const response = await served.post('/api/flows/app/actions/talk', { input: {} }, as('ann'));
    const { requestId } = (await response.json()) as Kept;
    const path = `/api/flows/app/requests/${requestId}/stream`;
    const [kept, cut] = [await served.get(path, as('ann')), await served.get(path, as('bob'))];
    gone.add('bob');
    await served.relay.recheck('another room');
    const events = eventsOf(cut);
    const first = await events.next();
    expect(first.value).toMatchObject({ type: 'request.created' });
    await served.relay.recheck();
    const rest: string[] = [];
    for await (const { type } of events) rest.push(type);
    expect(rest).not.toContain('request.completed');
    wait.open();
    expect(typesOf(await allEvents(kept)).at(-1)).toBe('request.completed');
  });

  it('[FL36] has so many requests in a minute: one more is answered with 429, and nothing of it is kept', async () => {
    const served = await serve([flow], { limits: { flowRequestsPerMinute: 2 } });
    const before = calls.length;
    await send(served, hello, { n: 1 });
    await send(served, hello, { n: 2 });
    const over = await served.post(hello, { input: { n: 3 } });
    expect([over.status, Number(over.headers.get('retry-after')) > 50]).toEqual([429, true]);
    expect(await over.json()).toMatchObject({ errorCode: 'limit.rate', errorParams: { seconds: expect.any(Number) } });
    expect((await served.post(hello, { input: { n: 4 }, userId: 'bob' })).status).toBe(202);
    await served.relay.drain();
    expect(calls.slice(before).toSorted()).toEqual(['ann 1', 'ann 2', 'bob 4']);
  });

  it('[FL21] asks once with one key, however often: the same request, in the same new session; with another input it is refused', async () => {
    const served = await serve([flow], { limits: { flowRequests: 2 } });
    const before = calls.length;
    const key = { 'idempotency-key': 'the order of monday' };
    const post = (input: unknown, path = hello, userId = 'ann'): Promise<Response> => served.post(path, { input, userId }, key);
    const [first, second] = (await Promise.all([post({ n: 1 }), post({ n: 1 })].map(async (it) => (await it).json()))) as [Kept, Kept];
    expect(second).toEqual(first);
    await served.relay.drain();
    expect(((await (await post({ n: 1 })).json()) as Kept).requestId).toBe(first.requestId);
    const mismatch = await post({ n: 2 });
    expect([mismatch.status, await mismatch.json()]).toMatchObject([
      422,
      { errorCode: 'action.idempotencyMismatch', errorParams: { name: 'app/hello', key: 'the order of monday' } },
    ]);
    // The key is this user's, and this session's.
    const other = (await (await post({ n: 2 }, hello, 'bob')).json()) as Kept;
    expect(other.session.id).not.toBe(first.session.id);
    await served.relay.drain();
    const elsewhere = await send(served, hello, { n: 4 });
    const within = (await (await post({ n: 3 }, `/api/flows/app/${elsewhere.session.id}/actions/hello`)).json()) as Kept;
    expect(within.session).toEqual(elsewhere.session);
    await served.relay.drain();
    expect(calls.slice(before).toSorted()).toEqual(['ann 1', 'ann 3', 'ann 4', 'bob 2']);
    expect(await refusal(await served.post(hello, { input: {} }, { 'idempotency-key': 'x'.repeat(300) }))).toEqual([
      400,
      'action.invalidInput',
    ]);
  });
});
