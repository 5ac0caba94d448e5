import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createStore } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createClient } from 'cotable/client';
import { createRelay, defineFlow, type BackendConfig } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { allEvents, eventsOf, gate, mutators, schema, send, serve, tempFile, typesOf, type Kept } from './scene.ts';

const tree = z.object({
  name: z.string(),
  get children() {
    return z.array(tree);
  },
});
const flow = defineFlow({
  kind: 'my-app',
  actions: {
    say: { inputSchema: z.object({}), block: () => {}, userMessage: () => 'said' },
    chat: { inputSchema: z.object({ message: z.string() }), block: ({ message }, ctx) => ctx.platform.call('shout', message) },
    plant: { inputSchema: tree, block: () => {} },
  },
});

/** A relay in a server that somebody has, below a path. */
async function mounted(backend: Partial<BackendConfig<typeof schema>> = {}): Promise<string> {
  const shout = async (text: string): Promise<string> => text.toUpperCase();
  const relay = createRelay({
    backend: { schema, mutators, flows: [flow], platform: { shout }, ...backend },
    storage: memoryRelayStorage(),
  });
  const server = createServer((request, response) => {
    request.url = request.url?.replace('/below/here', '');
    relay.handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    await relay.close();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/below/here`;
}

/** What the tests look at of an operation that a document describes. */
interface Operation {
  readonly operationId: string;
  readonly security?: unknown;
  readonly responses: Record<string, { readonly content: { readonly 'application/json': { readonly schema: Described } } }>;
}
interface Described {
  readonly required: readonly string[];
  readonly properties: Record<string, Described>;
}
interface Document {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: { readonly Error: Described } };
}

describe('flows of a relay', () => {
  it('[FL30] are found below the path that the relay is mounted at, and call what the backend has', async () => {
    const baseUrl = await mounted();
    const run = await createClient({ flowKind: 'my-app', userId: 'ann', baseUrl }).sendAction('chat', { message: 'hi' });
    expect(await run.result).toBe('HI');
    for (const path of ['', `/${run.sessionId}`]) {
      const body = JSON.stringify({ input: { message: 'again' }, userId: 'ann' });
      const response = await fetch(`${baseUrl}/api/flows/my-app${path}/actions/chat`, { method: 'POST', body });
      const status = await fetch(new URL(response.headers.get('location') ?? '', response.url));
      expect(await status.json()).toMatchObject({ requestId: ((await response.json()) as Kept).requestId });
    }
  });

  it('[FL45] are called by who knows nothing but where /openapi.json is', async () => {
    const place = `${await mounted()}/openapi.json`;
    const { servers, paths, components } = (await (await fetch(place)).json()) as Document;
    // As the specification has it: the address of the server is found from that of the document, and the path is put behind it.
    const server = new URL(servers[0]?.url ?? '', place).href.replace(/\/$/, '');
    const operations = Object.entries(paths).flatMap(([path, item]) => Object.values(item).map((operation) => ({ path, operation })));
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    const { path, operation } = operations.find((it) => it.operation.operationId === 'post.api.flows.my-app.actions.chat') ?? {};
    const post = async (body: object): Promise<[number, object]> => {
      const response = await fetch(`${server}${path}`, { method: 'POST', body: JSON.stringify(body) });
      return [response.status, (await response.json()) as object];
    };
    const [status, kept] = await post({ input: { message: 'hi' }, userId: 'ann' });
    const described = operation?.responses['202']?.content['application/json'].schema;
    expect([status, Object.keys(kept)]).toEqual([202, described?.required]);
    expect(Object.keys((kept as Kept).request)).toEqual(described?.properties['request']?.required);
    const [refused, problem] = await post({ input: {}, userId: 'ann' });
    expect([refused, Object.keys(problem)]).toEqual([400, components.schemas.Error.required]);
  });

  it('[FL45] say in /openapi.json that a token is wanted where the backend authenticates, and only there', async () => {
    for (const backend of [{}, { authenticate: () => ({ userId: 'ann' }) }]) {
      const { paths } = (await (await fetch(`${await mounted(backend)}/openapi.json`)).json()) as Document;
      const ofFlows = Object.entries(paths).flatMap(([path, item]) => (path.startsWith('/api/flows/') ? Object.values(item) : []));
      expect(ofFlows).toHaveLength(10);
      for (const { security } of ofFlows) expect(security).toEqual('authenticate' in backend ? [{ token: [] }] : undefined);
    }
  });

  it('[FL31] are described by /openapi.json, each action with its input', async () => {
    const served = await serve([flow]);
    const document = await (await served.get('/openapi.json')).json();
    for (const path of ['/api/flows/my-app/actions/chat', '/api/flows/my-app/{sessionId}/actions/chat']) {
      const { requestBody, responses } = document.paths[path].post;
      const { schema: body } = requestBody.content['application/json'];
      expect(body).toMatchObject({ required: ['input'], properties: { input: { required: ['message'] }, userId: { type: 'string' } } });
      expect(Object.keys(responses).toSorted()).toEqual(['200', '202', 'default']);
    }
    for (const [path, method] of [
      ['/api/flows/my-app/requests/{requestId}/stream', 'get'],
      ['/api/flows/my-app/requests/{requestId}/status', 'get'],
      ['/api/flows/my-app/requests/{requestId}/abort', 'post'],
      ['/api/flows/my-app/{sessionId}', 'get'],
    ] as const) {
      expect(document.paths[path][method].summary).toEqual(expect.any(String));
    }
    // References within it lead somewhere.
    const { $ref } =
      document.paths['/api/flows/my-app/actions/plant'].post.requestBody.content['application/json'].schema.properties.input.properties
        .children.items;
    const found = String($ref)
      .slice(2)
      .split('/')
      .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key.replaceAll('~1', '/')], document);
    expect(found).toMatchObject({ required: ['name', 'children'] });
  });

  it('[FL31] have one flow for each kind, and names that can stand in a path', () => {
    const storage = memoryRelayStorage();
    expect(() => createRelay({ backend: { schema, mutators, flows: [flow, flow] }, storage })).toThrow('two flows are of one kind');
    const inputSchema = z.object({});
    for (const kind of ['', 'a/b', '1', 'x'.repeat(65)]) {
      expect(() => defineFlow({ kind, actions: {} })).toThrow(
        expect.objectContaining({ code: 'schema.invalid', params: { path: 'flow.kind', problem: expect.any(String) } }),
      );
    }
    expect(() => defineFlow({ kind: 'a', actions: { 'b c': { inputSchema, block: () => {} } } })).toThrow('letters');
    expect(() => defineFlow({ kind: 'a', actions: { b: { inputSchema: 3 as never, block: () => {} } } })).toThrow('Standard Schema');
    expect(() => defineFlow({ kind: 'a', actions: { b: { inputSchema, block: 3 as never } } })).toThrow('no function');
  });

  it('[FL32] that are not served any more keep their sessions: nothing runs there until they are again', async () => {
    const file = await tempFile();
    const first = await serve([flow], { file });
    const { requestId, session } = await send(first, '/api/flows/my-app/actions/say', {});
    await allEvents(await first.get(`/api/flows/my-app/requests/${requestId}/stream`));
    await first.relay.close();

    // The app has gone on to another version meanwhile.
    const without = await serve([], { file, backend: { schema: { ...schema, schemaVersion: 2 } } });
    expect((await without.get(`/api/flows/my-app/requests/${requestId}/status`)).status).toBe(404);
    // Its room is not one of the app's.
    const store = createStore({
      schema: flow.schema,
      mutators: flow.mutators,
      room: session.id,
      userId: 'ann',
      storage: memoryClientStorage(),
      transports: [webSocket(without.ws, { WebSocket })],
    });
    await store.synced;
    await store.close();
    await without.relay.close();

    const again = await serve([flow], { file });
    expect(await (await again.get(`/api/flows/my-app/requests/${requestId}/status`)).json()).toMatchObject({ status: 'completed' });
    const { items } = await (await again.get(`/api/flows/my-app/${session.id}?userId=ann`)).json();
    expect(items).toMatchObject([{ role: 'user', text: 'said', status: 'done' }]);
  });

  it('[FL33] end a reading when the token of who reads does', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const wait = gate();
    const slow = defineFlow({ kind: 'slow', actions: { wait: { inputSchema: z.object({}), block: () => wait.passed } } });
    const expiresAt = Date.now() + 20_000;
    const authenticate: BackendConfig<typeof schema>['authenticate'] = () => ({ userId: 'ann', expiresAt });
    const relay = createRelay({ backend: { schema, mutators, flows: [slow], authenticate }, storage: memoryRelayStorage() });
    onTestFinished(() => {
      wait.open();
      vi.useRealTimers();
      return relay.close();
    });
    const headers = { accept: 'text/event-stream', authorization: 'Bearer x' };
    const url = 'http://relay/api/flows/slow/actions/wait';
    const response = await relay.fetch(new Request(url, { method: 'POST', headers, body: '{ "input": {} }' }));
    const heard: string[] = [];
    const reading = (async () => {
      for await (const { type } of eventsOf(response)) heard.push(type);
    })();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(heard).toEqual(['request.created', 'request.in_progress']);
    await vi.advanceTimersByTimeAsync(15_000);
    await reading;
    expect(heard).toEqual(['request.created', 'request.in_progress']);
  });

  it('[FL34] wait for a hook no longer than 10 s', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const hanging = defineFlow({
      kind: 'hanging',
      actions: { done: { inputSchema: z.object({}), block: () => 'done' }, throws: { inputSchema: z.object({}), block: () => 'done' } },
      hooks: {
        onCompleted({ actionName }) {
          if (actionName === 'throws') throw new Error('the hook fails');
          return new Promise(() => undefined);
        },
      },
    });
    const errors: unknown[] = [];
    const logger = { info: () => undefined, warn: () => undefined, error: (fields: object) => void errors.push(fields) };
    const relay = createRelay({ backend: { schema, mutators, flows: [hanging] }, storage: memoryRelayStorage(), logger });
    onTestFinished(() => {
      vi.useRealTimers();
      return relay.close();
    });
    const post = async (action: string): Promise<Response> => {
      const init = { method: 'POST', headers: { accept: 'text/event-stream' }, body: JSON.stringify({ input: {}, userId: 'ann' }) };
      return relay.fetch(new Request(`http://relay/api/flows/hanging/actions/${action}`, init));
    };
    let isOver = false;
    const events = allEvents(await post('done')).finally(() => (isOver = true));
    await vi.advanceTimersByTimeAsync(9_900);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(typesOf(await events).at(-1)).toBe('request.completed');
    // One that fails is told to the log, and to nobody else.
    expect(typesOf(await allEvents(await post('throws'))).at(-1)).toBe('request.completed');
    expect(errors).toMatchObject([{ action: 'hanging/throws', error: { message: 'the hook fails' } }]);
  });

  it('[FL38] take a body without a length, no longer than others, and none where none is needed', async () => {
    const served = await serve([flow], { limits: { messageBytes: 2_000 } });
    const { port } = new URL(served.base);
    /** Node says how long a body is unless it comes in parts; with `none` it says nothing at all. */
    const bare = (path: string, parts: readonly string[]): Promise<string> =>
      new Promise((resolve, reject) => {
        const asked = request({ port, path, method: 'POST' }, async (answer) => resolve(`${answer.statusCode} ${await text(answer)}`));
        asked.on('error', reject);
        if (parts.length === 0) asked.removeHeader('transfer-encoding');
        asked.flushHeaders();
        for (const part of parts) asked.write(part);
        asked.end();
      });
    const action = '/api/flows/my-app/actions/say';
    const kept = await bare(action, ['{ "input": {}, ', '"userId": "ann" }']);
    expect(kept).toMatch(/^202 .*"requestId"/);
    expect(await bare(action, ['{ "input": "', 'x'.repeat(3_000), '" }'])).toMatch(/^413 .*"request.tooLarge"/);
    expect(await bare(action, [])).toMatch(/^400 .*"flow.invalidInput"/);
    expect(await bare('/api/flows/my-app/requests/x/abort', [])).toMatch(/^404 .*"run.notFound"/);
  });

  it('[FL41] are looked at as often as anybody likes, and one timer waits for the end of that', async () => {
    const wait = gate();
    const slow = defineFlow({ kind: 'slow', actions: { wait: { inputSchema: z.object({}), block: () => wait.passed } } });
    const relay = createRelay({ backend: { schema, mutators, flows: [slow] }, storage: memoryRelayStorage() });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => {
      vi.useRealTimers();
      wait.open();
      return relay.close();
    });
    const init = { method: 'POST', body: '{ "input": {}, "userId": "ann" }' };
    const response = await relay.fetch(new Request('http://relay/api/flows/slow/actions/wait', init));
    const { session } = (await response.json()) as Kept;
    const look = async (): Promise<number> => (await relay.fetch(new Request(`http://relay/api/flows/slow/${session.id}`))).status;
    expect(await look()).toBe(200);
    const before = vi.getTimerCount();
    for (let looks = 0; looks < 50; looks++) await look();
    expect(vi.getTimerCount()).toBeLessThanOrEqual(before);
  });
});
