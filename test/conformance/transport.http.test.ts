import { CotableError } from 'cotable';
import { http } from 'cotable/transports/http';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { httpSetup, type HttpSetup } from './http-setup.ts';
import { connectRecorded, takeLinks, type LinkTaker, type RecordedLink } from './link-recorder.ts';
import { manualClock } from './manual-clock.ts';
import { transportSuite } from './transport.suite.ts';

transportSuite('http', () => httpSetup());

const setups: HttpSetup[] = [];
const make = async (options?: Parameters<typeof httpSetup>[0]): Promise<HttpSetup> => {
  const setup = await httpSetup(options);
  setups.push(setup);
  return setup;
};
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const setup of setups.splice(0)) await setup.close();
});

async function pair(setup: HttpSetup, taker: LinkTaker = takeLinks(setup.acceptor)): Promise<{ near: RecordedLink; far: RecordedLink }> {
  const near = connectRecorded(setup.transport);
  await near.record.isOpened;
  return { near, far: await taker.at(taker.taken.length - 1) };
}

describe('links over http', () => {
  test.each(['an error on the way', 'a broken connection'])(
    '[HT1] after %s a batch comes again and is taken once, in order',
    async (what) => {
      let posts = 0;
      const setup: HttpSetup = await make({
        async around(request, answer) {
          const response = await answer();
          // The relay has it, and its answer never arrives.
          if (request.method !== 'POST' || ++posts % 2 === 0) return response;
          if (what === 'an error on the way') return new Response('Bad Gateway', { status: 502 });
          throw new Error('broken');
        },
      });
      const { near, far } = await pair(setup);
      for (let value = 0; value < 3; value++) {
        near.link.send(Uint8Array.of(value));
        await far.record.until(() => far.record.messages.length === value + 1);
      }
      await vi.waitFor(() => expect(near.link.buffered).toBe(0), 3_000);
      expect(far.record.messages.map(([value]) => value)).toEqual([0, 1, 2]);
      expect(posts).toBe(6);
      expect(near.record.calls).toEqual(['opened']);
    },
  );

  test('[HT1] a batch that never gets through closes the link', async () => {
    const setup = await make({
      around: (request, answer) => (request.method === 'POST' ? Promise.resolve(new Response('', { status: 403 })) : answer()),
    });
    const { near } = await pair(setup);
    near.link.send(Uint8Array.of(1));
    await near.record.isClosed;
    expect(near.record.reasons).toEqual([undefined]);
  });

  test('[HT2] one request is under way at a time, and what waits leaves together', async () => {
    let under = 0;
    let most = 0;
    let posts = 0;
    const setup = await make({
      async around(request, answer) {
        if (request.method !== 'POST') return answer();
        posts += 1;
        most = Math.max(most, ++under);
        try {
          return await answer();
        } finally {
          under -= 1;
        }
      },
    });
    const { near, far } = await pair(setup);
    for (let index = 0; index < 1_000; index++) near.link.send(Uint8Array.of(index % 256));
    await far.record.until(() => far.record.messages.length === 1_000);
    expect([posts, most]).toEqual([2, 1]);
  });

  test('[HT3] every byte comes whole, for less than base64 where it is text', async () => {
    let bytes = 0;
    const setup = await make({
      async around(request, answer) {
        const response = await answer();
        if (request.method !== 'GET' || !response.body) return response;
        const counted = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            bytes += chunk.length;
            controller.enqueue(chunk);
          },
        });
        return new Response(response.body.pipeThrough(counted), response);
      },
    });
    const { near, far } = await pair(setup);
    const all = Uint8Array.from({ length: 1024 }, (_, at) => at % 256);
    far.link.send(all);
    await near.record.until(() => near.record.messages.length === 1);
    expect([...(near.record.messages[0] ?? [])]).toEqual([...all]);
    const text = new TextEncoder().encode('{"title":"Buy milk and rye bread"}\n'.repeat(1_000));
    const before = bytes;
    far.link.send(text);
    await near.record.until(() => near.record.messages.length === 2);
    expect(bytes - before).toBeLessThan(text.length * 1.05);
  });

  test('[HT4] a link that brings nothing is asked for a sign of life, which keeps it', async () => {
    const clock = manualClock();
    const setup = await make({ clock, pingMs: 100, pongMs: 50 });
    const { near } = await pair(setup);
    for (let round = 0; round < 3; round++) {
      clock.advance(100);
      await vi.waitFor(() => expect(clock.next()).toBe(100));
    }
    expect(near.record.calls).toEqual(['opened']);
  });

  test('[HT4] one that gives none is dropped with protocol.timeout, and nothing of it is left', async () => {
    const clock = manualClock();
    const setup = await make({
      clock,
      pingMs: 100,
      pongMs: 50,
      around: (request, answer) => (request.method === 'POST' ? new Promise(() => undefined) : answer()),
    });
    const taker = takeLinks(setup.acceptor);
    const { near, far } = await pair(setup, taker);
    clock.advance(100);
    expect(clock.next()).toBe(50);
    clock.advance(50);
    expect(far.record.reasons[0]).toMatchObject({ code: 'protocol.timeout', params: { ms: 50 } });
    await near.record.isClosed;
    expect(near.record.reasons[0]?.code).toBe('protocol.timeout');
    await vi.waitFor(() => expect(clock.pending()).toBe(0));
  });

  test('[HT5] a body over the limit closes its link with protocol.frameTooLarge', async () => {
    const setup = await make({ maxMessageBytes: 1000 });
    const { near, far } = await pair(setup);
    near.link.send(new Uint8Array(1000));
    await far.record.until(() => far.record.messages.length === 1);
    near.link.send(new Uint8Array(1001));
    await Promise.all([near.record.isClosed, far.record.isClosed]);
    expect([near, far].map(({ record }) => record.reasons[0]?.code)).toEqual(['protocol.frameTooLarge', 'protocol.frameTooLarge']);
    expect(far.record.messages).toHaveLength(1);
  });

  test('[HT5] many messages within the limit pass together, a body that no such messages make does not', async () => {
    const setup = await make({ maxMessageBytes: 1000 });
    const taker = takeLinks(setup.acceptor);
    const many = await pair(setup, taker);
    for (let count = 0; count < 1_000; count++) many.near.link.send(new Uint8Array(1000));
    await many.far.record.until(() => many.far.record.messages.length === 1_000);
    const long = await pair(setup, taker);
    long.near.link.send(new Uint8Array(1_000_000));
    await long.far.record.isClosed;
    expect(long.far.record.reasons[0]).toMatchObject({ code: 'protocol.frameTooLarge', params: { limit: 1000 + 256 * 1024 } });
  });

  test('[HT5] a stranger has less, until it is greeted', async () => {
    const setup = await make({ maxStrangerBytes: 100 });
    const taker = takeLinks(setup.acceptor);
    const good = await pair(setup, taker);
    good.far.link.greeted?.();
    good.near.link.send(new Uint8Array(1_000));
    await good.far.record.until(() => good.far.record.messages.length === 1);
    const bad = await pair(setup, taker);
    for (let count = 0; count < 2; count++) {
      bad.near.link.send(new Uint8Array(60));
      await Promise.race([bad.far.record.until(() => bad.far.record.messages.length === count + 1), bad.far.record.isClosed]);
    }
    await bad.near.record.isClosed;
    expect(bad.far.record.reasons[0]?.code).toBe('protocol.frameTooLarge');
    expect(good.near.record.calls).not.toContain('closed');
  });

  test('[HT6] of pages only those of `origins` open links, others get 403; a program needs none', async () => {
    const setup = await make({ origins: ['https://app.example'] });
    const taker = takeLinks(setup.acceptor);
    const status = async (origin?: string): Promise<number> => {
      const gone = new AbortController();
      const response = await fetch(`${setup.url}/link`, { signal: gone.signal, headers: origin === undefined ? {} : { origin } });
      gone.abort();
      return response.status;
    };
    expect([await status('https://evil.example'), await status('null'), taker.taken.length]).toEqual([403, 403, 0]);
    expect([await status('https://app.example'), await status()]).toEqual([200, 200]);
  });

  test('[HT7] a request for a link that is not there is 404 with a code, and one out of order closes its link', async () => {
    const setup = await make();
    const taker = takeLinks(setup.acceptor);
    const post = (link: string, batch: number, body: Uint8Array<ArrayBuffer> = new Uint8Array()): Promise<Response> =>
      fetch(`${setup.url}/link`, { method: 'POST', body, headers: { 'x-cotable-link': link, 'x-cotable-batch': String(batch) } });
    const unknown = await post('nobody', 1);
    expect([unknown.status, await unknown.json()]).toMatchObject([
      404,
      { status: 'error', errorCode: 'request.unknownLink', httpStatus: 404 },
    ]);
    for (const [batch, body] of [
      [2, Uint8Array.of()],
      [0.5, Uint8Array.of()],
      [1, Uint8Array.of(0, 0, 0, 9, 1)],
      [1, Uint8Array.of(1)],
    ] as const) {
      const gone = new AbortController();
      const opened = await fetch(`${setup.url}/link`, { signal: gone.signal });
      const first = new TextDecoder().decode((await opened.body?.getReader().read())?.value);
      const name = /^event: open\ndata: (\S+)\n\n$/.exec(first)?.[1] ?? '';
      const { record } = await taker.at(taker.taken.length - 1);
      const answer = await post(name, batch, body);
      expect([answer.status, await answer.json()]).toMatchObject([400, { errorCode: 'protocol.badFrame' }]);
      await record.isClosed;
      expect(record.calls).toEqual(['opened', 'closed']);
      gone.abort();
    }
  });

  test('[HT8] nothing on the way is to keep events back, and each comes as it is sent', async () => {
    const setup = await make();
    const taker = takeLinks(setup.acceptor);
    const gone = new AbortController();
    const response = await fetch(`${setup.url}/link`, { signal: gone.signal });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': expect.stringContaining('text/event-stream'),
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    const reader = response.body?.getReader();
    await reader?.read();
    const { link } = await taker.at(0);
    for (const word of ['one', 'two']) {
      link.send(new TextEncoder().encode(word));
      expect(new TextDecoder().decode((await reader?.read())?.value)).toContain(`data: ${word}\n\n`);
    }
    gone.abort();
  });

  test('[HT9] a reader that takes nothing leaves what is sent to it in the count, and is cut off after its last words', async () => {
    const clock = manualClock();
    const setup = await make({ clock });
    const taker = takeLinks(setup.acceptor);
    const gone = new AbortController();
    await fetch(`${setup.url}/link`, { signal: gone.signal });
    const { link } = await taker.at(0);
    for (let count = 0; count < 40; count++) link.send(new Uint8Array(500_000).fill(97));
    await vi.waitFor(() => expect(link.buffered).toBeLessThan(20_000_000));
    expect(link.buffered).toBeGreaterThan(5_000_000);
    link.close(new CotableError('limit.bytes', { bytes: 1, limit: 1 }));
    const flushed = setup.acceptor.flushed(500);
    clock.advance(500);
    await flushed;
    const sockets = (): Promise<number> => new Promise((resolve) => setup.server.getConnections((_, count) => resolve(count)));
    expect(await sockets()).toBe(1);
    clock.advance(9_500);
    await vi.waitFor(async () => expect(await sockets()).toBe(0));
    gone.abort();
  });
});

describe('the http client', () => {
  const answering = (answers: string[]) => async (url: string) => {
    answers.push(url);
    return new Response('', { status: 404 });
  };

  test('[HC1] an address may be relative to the page, begin with ws, or be a function that is asked before each link', async () => {
    vi.stubGlobal('location', { href: 'https://app.example/rooms/1' });
    const seen: string[] = [];
    let asked = 0;
    for (const url of ['/sync', '/', 'wss://relay.example', 'http://relay.example/a/?b=1', () => `https://${++asked}.example`]) {
      const transport = http(url, { fetch: answering(seen) });
      for (let count = 0; count < (typeof url === 'string' ? 1 : 2); count++) await connectRecorded(transport).record.isClosed;
    }
    expect(seen).toEqual([
      'https://app.example/sync/link',
      'https://app.example/link',
      'https://relay.example/link',
      'http://relay.example/a/link?b=1',
      'https://1.example/link',
      'https://2.example/link',
    ]);
    expect(() => http('no address')).not.toThrow();
    vi.unstubAllGlobals();
    expect(() => http('no address')).toThrow(TypeError);
  });

  test('[HC2] what a relay refuses with reaches the store; what others say does not', async () => {
    const reason = async (response: Response): Promise<string | undefined> => {
      const near = connectRecorded(http('http://relay.example', { fetch: async () => response }));
      await near.record.isClosed;
      return near.record.reasons[0]?.code;
    };
    expect(await reason(Response.json(new CotableError('relay.closed', {}).toJSON(), { status: 503 }))).toBe('relay.closed');
    expect(await reason(Response.json({ errorCode: 'not a code' }, { status: 503 }))).toBe(undefined);
    expect(await reason(new Response('<html>', { status: 502 }))).toBe(undefined);
    const near = connectRecorded(http(() => Promise.reject(new CotableError('auth.required', {}))));
    await near.record.isClosed;
    expect(near.record.reasons[0]?.code).toBe('auth.required');
  });

  test('[HC3] a message that got lost on the way closes the link', async () => {
    const body = 'event: open\ndata: name\n\nid: 1\ndata: a\n\nid: 3\ndata: c\n\n';
    const near = connectRecorded(http('http://relay.example', { fetch: async () => new Response(body) }));
    await near.record.isClosed;
    expect(near.record.calls).toEqual(['opened', 'message', 'closed']);
  });
});
