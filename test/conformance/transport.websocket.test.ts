import { CotableError } from 'cotable';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connectRecorded, takeLinks } from './link-recorder.ts';
import { manualClock } from './manual-clock.ts';
import { transportSuite } from './transport.suite.ts';
import { webSocketSetup, type WebSocketSetup } from './websocket-setup.ts';

transportSuite('websocket', () => webSocketSetup());

describe('the websocket acceptor', () => {
  const opened: WebSocketSetup[] = [];
  const make = async (options?: Parameters<typeof webSocketSetup>[0]): Promise<WebSocketSetup> => {
    const setup = await webSocketSetup(options);
    opened.push(setup);
    return setup;
  };
  afterEach(async () => {
    for (const setup of opened.splice(0)) await setup.close();
  });

  test('[WS1] an error given to close travels as close code 4000 with its code as text', async () => {
    const setup = await make();
    takeLinks(setup.acceptor, (link) => ({ opened: () => link.close(new CotableError('auth.required', {})) }));
    expect(await closeOf(new WebSocket(setup.url))).toEqual({ code: 4000, text: 'auth.required' });
  });

  test('[WS1] a code too long for a close frame is left out; the link closes all the same', async () => {
    const setup = await make();
    takeLinks(setup.acceptor, (link) => ({ opened: () => link.close(new CotableError<string>(`app.${'é'.repeat(60)}`, {})) }));
    expect(await closeOf(new WebSocket(setup.url))).toEqual({ code: 4000, text: '' });
  });

  test('[WS1] closing without a reason is close code 1000', async () => {
    const setup = await make();
    takeLinks(setup.acceptor, (link) => ({ opened: () => link.close() }));
    expect(await closeOf(new WebSocket(setup.url))).toEqual({ code: 1000, text: '' });
  });

  test.each([
    [4001, 'auth.required'],
    [4000, 'not a code'],
    [4000, ''],
    [1001, 'auth.required'],
  ])('[WS1] close code %i with the text "%s" is no reason', async (code, text) => {
    const setup = await make();
    const taker = takeLinks(setup.acceptor);
    const socket = new WebSocket(setup.url);
    const { record } = await taker.at(0);
    await eventOf(socket, 'open');
    socket.close(code, text);
    await record.isClosed;
    expect(record.reasons).toEqual([undefined]);
  });

  test('[WS2] a text message closes the link with protocol.badFrame', async () => {
    const setup = await make();
    const taker = takeLinks(setup.acceptor);
    const socket = new WebSocket(setup.url);
    const closed = closeOf(socket);
    await eventOf(socket, 'open');
    socket.send('hello');
    expect(await closed).toEqual({ code: 4000, text: 'protocol.badFrame' });
    const { record } = await taker.at(0);
    expect(record.calls).toEqual(['opened', 'closed']);
    expect(record.reasons[0]).toMatchObject({ code: 'protocol.badFrame', params: { problem: 'a text message' } });
  });

  test('[WS3] a message over the limit closes the link with protocol.frameTooLarge on both sides; one of the limit passes', async () => {
    const setup = await make({ maxMessageBytes: 1000 });
    const taker = takeLinks(setup.acceptor);
    const near = connectRecorded(setup.transport);
    await near.record.isOpened;
    near.link.send(new Uint8Array(1000));
    near.link.send(new Uint8Array(1001));
    await near.record.isClosed;
    expect(near.record.reasons[0]?.code).toBe('protocol.frameTooLarge');
    const { record } = await taker.at(0);
    expect(record.calls).toEqual(['opened', 'message', 'closed']);
    expect(record.reasons[0]).toMatchObject({ code: 'protocol.frameTooLarge', params: { limit: 1000 } });
  });

  test('[WS3] the limit is 1 MiB when none is given', async () => {
    const setup = await make();
    takeLinks(setup.acceptor);
    const near = connectRecorded(setup.transport);
    await near.record.isOpened;
    near.link.send(new Uint8Array(1024 * 1024 + 1));
    await near.record.isClosed;
    expect(near.record.reasons[0]?.code).toBe('protocol.frameTooLarge');
  });

  test('[WS4] of pages only those of `origins` connect, others get 403; a program needs none', async () => {
    const setup = await make({ origins: ['https://app.example'] });
    const taker = takeLinks(setup.acceptor);
    expect(await answerOf(new WebSocket(setup.url, { origin: 'https://evil.example' }))).toBe(403);
    expect(await answerOf(new WebSocket(setup.url, { origin: 'null' }))).toBe(403);
    expect(taker.taken).toHaveLength(0);
    expect(await answerOf(new WebSocket(setup.url, { origin: 'https://app.example' }))).toBe(101);
    expect(await answerOf(new WebSocket(setup.url))).toBe(101);
  });

  test('[WS5] of a server only the path is taken, whatever its query; others get 404', async () => {
    const setup = await make({ path: '/sync' });
    takeLinks(setup.acceptor);
    expect(await answerOf(new WebSocket(`${setup.url}/sync?room=1`))).toBe(101);
    expect(await answerOf(new WebSocket(`${setup.url}/other`))).toBe(404);
  });

  test('[WS5] other paths are left to another listener of the server', async () => {
    const setup = await make({ path: '/sync' });
    takeLinks(setup.acceptor);
    setup.server.on('upgrade', (request, socket) => {
      if (request.url === '/other') socket.end('HTTP/1.1 418 Teapot\r\n\r\n');
    });
    expect(await answerOf(new WebSocket(`${setup.url}/other`))).toBe(418);
    expect(await answerOf(new WebSocket(`${setup.url}/sync`))).toBe(101);
  });

  test('[WS5] handleUpgrade takes what the caller routes to it, and answers 503 before start and after stop', async () => {
    const setup = await make({ server: undefined });
    setup.server.on('upgrade', setup.acceptor.handleUpgrade);
    expect(await answerOf(new WebSocket(setup.url))).toBe(503);
    const taker = takeLinks(setup.acceptor);
    expect(await answerOf(new WebSocket(setup.url))).toBe(101);
    setup.acceptor.stop();
    expect(await answerOf(new WebSocket(setup.url))).toBe(503);
    expect(taker.taken).toHaveLength(1);
  });

  test('[WS6] a quiet link is pinged, and dropped with protocol.timeout when it stays quiet', async () => {
    const clock = manualClock();
    const setup = await make({ clock, pingMs: 100, pongMs: 50 });
    const taker = takeLinks(setup.acceptor);
    const socket = new WebSocket(setup.url, { autoPong: false });
    const closed = closeOf(socket);
    const pinged = eventOf(socket, 'ping');
    const { record } = await taker.at(0);
    clock.advance(99);
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    await pinged;
    clock.advance(49);
    expect(record.calls).toEqual(['opened']);
    clock.advance(1);
    expect(record.calls).toEqual(['opened', 'closed']);
    expect(record.reasons[0]).toMatchObject({ code: 'protocol.timeout', params: { ms: 50 } });
    expect((await closed).code).toBe(1006);
    await vi.waitFor(() => expect(clock.pending()).toBe(0));
  });

  test.each(['a pong', 'a message'])('[WS6] %s keeps a link that was pinged', async (sign) => {
    const clock = manualClock();
    const setup = await make({ clock, pingMs: 100, pongMs: 50 });
    const taker = takeLinks(setup.acceptor);
    const socket = new WebSocket(setup.url, { autoPong: false });
    const { record } = await taker.at(0);
    for (let round = 0; round < 3; round++) {
      const pinged = eventOf(socket, 'ping');
      clock.advance(100);
      await pinged;
      if (sign === 'a pong') socket.pong();
      else socket.send(Uint8Array.of(round));
      // Once it was heard, the next ping is due and the drop is not.
      await vi.waitFor(() => expect(clock.next()).toBe(100));
    }
    expect(record.calls).not.toContain('closed');
  });

  test('[WS6] a link that is gone is not pinged any more', async () => {
    const clock = manualClock();
    const setup = await make({ clock, pingMs: 100, pongMs: 50 });
    const taker = takeLinks(setup.acceptor);
    const near = connectRecorded(setup.transport);
    await near.record.isOpened;
    expect(clock.pending()).toBe(1);
    near.link.close();
    await (
      await taker.at(0)
    ).record.isClosed;
    await vi.waitFor(() => expect(clock.pending()).toBe(0));
  });

  test('[WS7] nothing is compressed, though the client offers it', async () => {
    const setup = await make();
    takeLinks(setup.acceptor);
    const socket = new WebSocket(setup.url, { perMessageDeflate: true });
    await eventOf(socket, 'open');
    expect(socket.extensions).toBe('');
  });

  test('[WS8] each message has a buffer of its own, no part of a pool', async () => {
    const setup = await make();
    const taker = takeLinks(setup.acceptor);
    const near = connectRecorded(setup.transport);
    await near.record.isOpened;
    for (let size = 0; size < 300; size++) near.link.send(new Uint8Array(size));
    const { record } = await taker.at(0);
    await record.until(() => record.messages.length === 300);
    expect(record.messages.map((message) => message.buffer.byteLength)).toEqual(record.messages.map((_, size) => size));
    expect(new Set(record.messages.map((message) => message.buffer)).size).toBe(300);
    expect(record.messages.every((message) => Object.getPrototypeOf(message) === Uint8Array.prototype)).toBe(true);
  });

  test('[WS9] a peer that breaks the protocol closes its own link alone', async () => {
    const setup = await make();
    const taker = takeLinks(setup.acceptor, (link) => ({ message: (message) => link.send(message) }));
    const good = connectRecorded(setup.transport);
    await good.record.isOpened;
    const socket = new WebSocket(setup.url);
    const { record } = await taker.at(1);
    await eventOf(socket, 'open');
    // An opcode that does not exist.
    Reflect.get(socket, '_socket').write(Uint8Array.of(0x83, 0x80, 0, 0, 0, 0));
    await record.isClosed;
    expect(record.reasons[0]?.code).toBe('protocol.badFrame');
    good.link.send(Uint8Array.of(1));
    await good.record.until(() => good.record.messages.length === 1);
  });
});

function eventOf(socket: WebSocket, event: string): Promise<unknown[]> {
  return new Promise((resolve) => socket.once(event, (...values: unknown[]) => resolve(values)));
}

async function closeOf(socket: WebSocket): Promise<{ code: unknown; text: string }> {
  const [code, text] = await eventOf(socket, 'close');
  return { code, text: String(text) };
}

/** The HTTP status that the upgrade was answered with. */
function answerOf(socket: WebSocket): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    socket.on('upgrade', () => resolve(101));
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode);
    });
    socket.on('error', reject);
  });
}
