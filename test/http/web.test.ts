import { defineSchema, table } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Logger } from 'cotable/relay';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { startRelay } from './scene.ts';

const at = (path: string, init?: RequestInit): Request => new Request(`http://relay.example${path}`, init);

describe('what a relay answers over HTTP', () => {
  test('[HR1] every error is a body with its code and the status of that', async () => {
    const relay = startRelay({ limits: { messageBytes: 1_000 } });
    const body = 'x'.repeat(1_001);
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(body));
        controller.close();
      },
    });
    const answers = [
      at('/nothing/here'),
      at('/healthz', { method: 'DELETE' }),
      at('/openapi.json', { method: 'POST', body, headers: { 'content-length': '1001' } }),
      // The DOM's types know no `duplex`.
      at('/openapi.json', { method: 'POST', body: chunked, duplex: 'half' } as RequestInit),
    ].map(async (request) => {
      const response = await relay.fetch(request);
      return [response.status, await response.json()];
    });
    const error = { status: 'error', message: expect.any(String) };
    expect(await Promise.all(answers)).toEqual([
      [404, { ...error, errorCode: 'request.notFound', errorParams: { method: 'GET', path: '/nothing/here' }, httpStatus: 404 }],
      [404, { ...error, errorCode: 'request.notFound', errorParams: { method: 'DELETE', path: '/healthz' }, httpStatus: 404 }],
      [413, { ...error, errorCode: 'request.tooLarge', errorParams: { limit: 1_000 }, httpStatus: 413 }],
      [413, { ...error, errorCode: 'request.tooLarge', errorParams: { limit: 1_000 }, httpStatus: 413 }],
    ]);
  });

  test('[HR1] what fails inside is told to the log, with the id of the request, and to nobody else', async () => {
    const errors: unknown[] = [];
    const logger: Logger = { info: () => undefined, warn: () => undefined, error: (fields, message) => errors.push([message, fields]) };
    const failure = new Error('/var/lib/secret.db is broken');
    const storage = memoryRelayStorage();
    Object.defineProperty(storage, 'description', {
      get() {
        throw failure;
      },
    });
    const relay = startRelay({ storage, logger });
    const response = await relay.fetch(at('/healthz', { headers: { 'x-request-id': 'r-1' } }));
    expect([response.status, response.headers.get('x-request-id')]).toEqual([500, 'r-1']);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ errorCode: 'request.failed', errorParams: {}, httpStatus: 500 });
    expect(text).not.toContain('secret');
    expect(errors).toEqual([['a request failed', { requestId: 'r-1', path: '/healthz', error: failure }]]);
  });

  test('[HR2] a request has the id it brings, or a fresh one', async () => {
    const relay = startRelay();
    const idOf = async (id?: string): Promise<string | null> =>
      (await relay.fetch(at('/healthz', id === undefined ? {} : { headers: { 'x-request-id': id } }))).headers.get('x-request-id');
    expect(await idOf('from-the-proxy')).toBe('from-the-proxy');
    const [one, two] = [await idOf(), await idOf()];
    expect(one).toMatch(/^[\da-f-]{36}$/);
    expect(two).not.toBe(one);
    expect(await idOf('no id, this')).toMatch(/^[\da-f-]{36}$/);
  });

  test('[HR3] pages of `origins` may call, with cookies, and others are refused; without `origins` all may, without', async () => {
    const origin = 'https://app.example';
    const strict = startRelay({ origins: [origin] });
    const asks = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-cotable-link' };
    const preflight = await strict.fetch(at('/link', { method: 'OPTIONS', headers: asks }));
    expect([preflight.status, Object.fromEntries(preflight.headers)]).toMatchObject([
      204,
      {
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-allow-headers': 'x-cotable-link',
        'access-control-max-age': '7200',
      },
    ]);
    const good = await strict.fetch(at('/healthz', { headers: { origin } }));
    expect([good.status, good.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
    expect(good.headers.get('access-control-expose-headers')).toContain('x-request-id');
    for (const path of ['/healthz', '/link']) {
      const evil = await strict.fetch(at(path, { headers: { origin: 'https://evil.example' } }));
      expect([evil.status, evil.headers.get('access-control-allow-origin')]).toEqual([403, null]);
      expect(await evil.json()).toMatchObject({ errorCode: 'request.originRefused', errorParams: { origin: 'https://evil.example' } });
    }
    const open = await startRelay().fetch(at('/healthz', { headers: { origin: 'https://any.example' } }));
    expect(open.headers.get('access-control-allow-origin')).toBe('*');
    expect(open.headers.get('access-control-allow-credentials')).toBe(null);
  });

  test('[HR4] /openapi.json says what is declared and what is answered', async () => {
    const tree = z.object({
      name: z.string(),
      get children() {
        return z.array(tree);
      },
    });
    const silent = {
      '~standard': { version: 1, vendor: 'handmade', validate: (value: unknown) => ({ value: value as { id: string } }) },
    } as const;
    const schema = defineSchema({
      schemaVersion: 3,
      tables: {
        notes: { schema: table(z.object({ id: z.string(), stars: z.number().default(0) })), description: 'What people write' },
        things: { schema: table(silent) },
      },
      mutators: {
        rate: { description: 'Gives stars', input: z.object({ id: z.string(), stars: z.number().default(1) }) },
        plant: { input: tree },
        shout: { input: z.custom<string>((value) => typeof value === 'string') },
      },
      actions: { count: { input: z.object({}), output: z.object({ n: z.number() }) } },
      session: z.object({ role: z.enum(['member', 'guest']) }),
    });
    const mutators = { rate: () => undefined, plant: () => undefined, shout: () => undefined };
    const relay = createRelay({ backend: { schema, mutators, actions: { count: async () => ({ n: 1 }) } }, storage: memoryRelayStorage() });
    onTestFinished(() => relay.close());
    const document = await (await relay.fetch(at('/openapi.json'))).json();
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: expect.any(String), version: '3' } });
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/healthz', '/link']));
    const { schemas } = document.components;
    expect(schemas['tables.notes']).toMatchObject({
      description: 'What people write',
      properties: { id: { type: 'string' }, stars: { type: 'number' } },
      required: ['id', 'stars'],
    });
    // A caller may leave a default out.
    expect(schemas['mutators.rate.input']).toMatchObject({ description: 'Gives stars', required: ['id'] });
    expect(schemas['actions.count.output']).toMatchObject({ properties: { n: { type: 'number' } } });
    expect(schemas['session']).toMatchObject({ properties: { role: { enum: ['member', 'guest'] } } });
    expect(schemas['Error'].required).toContain('errorCode');
    // What a validator cannot say is anything, with a word about it.
    expect(schemas['tables.things']).toEqual({ description: expect.stringContaining('handmade') });
    expect(schemas['mutators.shout.input']).toEqual({ description: expect.stringContaining('zod') });
    expect(resolves(document)).toEqual([]);
    expect(schemas['mutators.plant.input'].properties.children.items.$ref).toContain('#/components/schemas/mutators.plant.input');
  });

  test('[HR5] /healthz tells that the relay answers, and that it shuts down', async () => {
    const relay = startRelay();
    const health = await relay.fetch(at('/healthz'));
    expect([health.status, await health.json()]).toMatchObject([200, { status: 'ok', rooms: 0, links: 0 }]);
    await relay.close();
    const after = await relay.fetch(at('/healthz'));
    expect([after.status, await after.json()]).toMatchObject([503, { status: 'closing' }]);
  });
});

/** References that lead nowhere. */
function resolves(document: unknown): string[] {
  const lost: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      if (key === '$ref' && !find(document, String(item))) lost.push(String(item));
      visit(item);
    }
  };
  visit(document);
  return lost;
}

function find(document: unknown, reference: string): unknown {
  if (!reference.startsWith('#/')) return undefined;
  return reference
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}
