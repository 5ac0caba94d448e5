import { connect, type Socket } from 'node:net';
import { createStore, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Limits } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import * as encoding from 'lib0/encoding';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { mutators, schema } from '../fixtures/notes.mjs';
import { frame, greet, hello, mutate, rawLink, TYPES, update, type RawLink } from './raw-link.ts';

interface Scene {
  readonly url: string;
  readonly port: number;
  readonly open: (userId: string) => Store<typeof schema>;
}

async function scene(limits: Partial<Limits>): Promise<Scene> {
  const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage(), limits });
  onTestFinished(() => relay.close());
  const { url, port } = await relay.listen();
  return {
    url,
    port,
    open(userId) {
      const transports = [webSocket(url, { WebSocket })];
      const store = createStore({ schema, mutators, room: 'room', userId, storage: memoryClientStorage(), transports });
      onTestFinished(() => store.close());
      return store;
    },
  };
}

const write = async (store: Store<typeof schema>, id: string): Promise<void> => {
  await (
    await store.mutate.write({ id, text: id })
  ).confirmed;
};

const ping = frame(TYPES.ping, () => undefined);

/** A connection that speaks no WebSocket. Counts in `closed` once it is cut off. */
function slowHandshake(port: number, closed: Set<Socket>): Socket {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.on('close', () => closed.add(socket));
  socket.resume();
  // Half of a request, and then nothing.
  socket.write('GET / HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n');
  return socket;
}

describe('what a stranger may cost', () => {
  it('[LI1] a link that sends more bytes or frames than a greeting takes, before its welcome, is closed with a code', async () => {
    const { url } = await scene({ greetingBytes: 4_000, greetingFrames: 4 });
    const fine = await rawLink(url);
    fine.send(ping, ping, ping);
    await greet(fine);
    // From then on it may say more.
    fine.send(...Array.from({ length: 20 }, () => ping));
    await expect.poll(() => fine.bodies(TYPES.pong).length).toBe(23);

    const long = await rawLink(url);
    long.send(hello({ userId: 'e'.repeat(4_000) }));
    expect((await long.closed).failed).toBe('protocol.frameTooLarge');

    const chatty = await rawLink(url);
    chatty.send(...Array.from({ length: 5 }, () => ping));
    expect((await chatty.closed).failed).toBe('protocol.badFrame');
  });

  it('[LI2] a stranger is cut off in the middle of a message that is too long', async () => {
    const { port } = await scene({ greetingBytes: 4_000, helloMs: 60_000 });
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    const gone = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n');
    socket.write(`Sec-WebSocket-Key: ${'a'.repeat(22)}==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    // The head of a message of 900,000 bytes, and then a little of it.
    const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x0d, 0xbb, 0xa0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([head, Buffer.alloc(20_000)]));
    await gone;
  });

  it('[LI3] of links that say nothing the oldest are closed with limit.links, and a good client joins between them', async () => {
    const { url, open } = await scene({ strangersPerAddress: 10, helloMs: 60_000 });
    const flood: RawLink[] = [];
    const good = open('ann');
    for (let index = 0; index < 40; index++) {
      flood.push(await rawLink(url));
      if (index === 20) await write(good, 'during');
    }
    await Promise.all(flood.slice(0, 30).map(async (link) => expect(await link.closed).toMatchObject({ reason: 'limit.links' })));
    expect(flood.slice(30).map((link) => link.socket.readyState)).toEqual(Array.from({ length: 10 }, () => WebSocket.OPEN));
    await write(open('bob'), 'after');
    await write(good, 'still');
    expect(good.status.state).toBe('online');
  });

  it('[LI4] connections that never finish their handshake are cut off, and a good client joins between them', async () => {
    const { port, open } = await scene({ strangersPerAddress: 10, helloMs: 400 });
    const closed = new Set<Socket>();
    const slow = Array.from({ length: 40 }, () => slowHandshake(port, closed));
    await write(open('ann'), 'during');
    // Too many at first, and none for long.
    await expect.poll(() => closed.size, { timeout: 4_000 }).toBe(slow.length);
    await write(open('bob'), 'after');
  });

  it('[LI5] a relay that is full answers hello with limit.links, and takes a store as soon as somebody has left', async () => {
    const { url, open } = await scene({ links: 2 });
    const first = open('ann');
    await write(first, 'a');
    const second = await rawLink(url);
    await greet(second);
    const third = await rawLink(url);
    third.send(hello({ userId: 'max', replica: 5, writer: 6 }));
    expect(await third.closed).toMatchObject({ failed: 'limit.links' });
    const waiting = open('bob');
    await expect.poll(() => waiting.status.reason?.code).toBe('limit.links');
    expect(waiting.status.state).not.toBe('error');
    second.socket.close();
    await write(waiting, 'b');
    await expect.poll(() => first.table('notes').count()).toBe(2);
  });
});

describe('what createRelay takes', () => {
  const make = (options: object): unknown => Reflect.apply(createRelay, undefined, [options]);
  const made = (limits: unknown): unknown => make({ backend: { schema, mutators }, storage: memoryRelayStorage(), limits });

  it.each([
    [null, 'limits'],
    [7, 'limits'],
    [{ runs: -3 }, 'limits.runs'],
    [{ runs: 0 }, 'limits.runs'],
    [{ runs: '8' }, 'limits.runs'],
    [{ links: Number.NaN }, 'limits.links'],
    [{ helloMs: 0.5 }, 'limits.helloMs'],
    [{ helloMs: Infinity }, 'limits.helloMs'],
    [{ runPerUser: 8 }, 'limits.runPerUser'],
    [{ toString: 8 }, 'limits.toString'],
    [{ compaction: false }, 'limits.compaction'],
    [{ compaction: { ratio: -1 } }, 'limits.compaction.ratio'],
    [{ compaction: { rest: 1 } }, 'limits.compaction.rest'],
  ])('[LI11] a limit that there is not or that cannot be is refused with its path: %o', (limits, path) => {
    const error = expect.objectContaining({ code: 'relay.invalidOption', httpStatus: 400, params: { path, problem: expect.any(String) } });
    expect(() => made(limits)).toThrow(error);
  });

  it.each(['backend', 'storage'])('[LI11] a relay without %s is refused', (path) => {
    const options = { backend: { schema, mutators }, storage: memoryRelayStorage() };
    for (const value of [undefined, null, 'data.db'])
      expect(() => make({ ...options, [path]: value })).toThrow(
        expect.objectContaining({ code: 'relay.invalidOption', params: expect.objectContaining({ path }) }),
      );
  });

  it('[LI11] what is undefined is its default, and 0 and Infinity are taken where they make sense', async () => {
    const limits = { runs: undefined, links: Infinity, messageBytes: Infinity, drainMs: Infinity, unloadMs: 0, ephemeralBytes: 0 };
    const compaction = { minItems: 0, ratio: 0, restMs: Infinity };
    const relay = createRelay({
      backend: { schema, mutators },
      storage: memoryRelayStorage(),
      limits: { ...limits, compaction },
    });
    onTestFinished(() => relay.close());
    const { url } = await relay.listen();
    const transports = [webSocket(url, { WebSocket })];
    const store = createStore({ schema, mutators, room: 'room', userId: 'ann', storage: memoryClientStorage(), transports });
    onTestFinished(() => store.close());
    await write(store, 'a');
    await store.synced;
    expect(store.table('notes').count()).toBe(1);
  });
});

describe('what anybody may cost', () => {
  it('[LI6] more structs in one frame than the limit are refused', async () => {
    const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage(), limits: { items: 3 } });
    onTestFinished(() => relay.close());
    const { url } = await relay.listen();
    const transports = [webSocket(url, { WebSocket })];
    const store = createStore({ schema, mutators, room: 'room', userId: 'ann', storage: memoryClientStorage(), transports });
    onTestFinished(() => store.close());
    await write(store, 'a');
    const link = await rawLink(url);
    const { lineage, epoch, now } = await greet(link);
    const clock = now * 1024;
    const cells = Object.fromEntries(['b', 'c', 'd', 'e'].map((id) => [id, [clock, { id, text: '' }]]));
    link.send(mutate({ lineage, epoch, clock, updates: [['notes', update(cells)]] }));
    expect((await link.closed).failed).toBe('protocol.gateRefused');
    await write(store, 'z');
  });

  it('[LI7] a quiet link is asked for a sign of life, and dropped when it gives none', async () => {
    const { url, open } = await scene({ pingMs: 50, pongMs: 200 });
    const good = open('ann');
    await write(good, 'a');
    const silent = await rawLink(url);
    await greet(silent);
    // It reads nothing any more, so that it does not answer either.
    silent.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 600));
    silent.socket.resume();
    await silent.closed;
    await write(good, 'b');
    expect(good.status.state).toBe('online');
  });
});

describe('a message that is longer than the relay takes', () => {
  it('[LI8] is refused at the size that was set', async () => {
    const { url } = await scene({ messageBytes: 100_000 });
    const link = await rawLink(url);
    await greet(link);
    const out = encoding.createEncoder();
    encoding.writeVarUint8Array(out, new Uint8Array(150_000));
    link.sendBytes(encoding.toUint8Array(out));
    expect((await link.closed).code).toBe(1009);
  });
});
