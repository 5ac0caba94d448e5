import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createStore, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type LimitOptions } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { webSocketAcceptor } from '#websocket-acceptor';
import { gate, mutators, schema, type Runs, type S } from './scene.ts';

const KIB = 1024;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Viewer {
  readonly store: Store<S>;
  readonly sockets: readonly WebSocket[];
}

/** A relay on real sockets whose queues can be looked at. */
async function wires(talk: NonNullable<Runs['talk']>, limits: LimitOptions = {}) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const acceptor = webSocketAcceptor({
    server,
    clock: {
      now: () => Date.now(),
      after(ms: number, run: () => void) {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      soon: (run: () => void) => void setImmediate(run),
    },
  });
  let most = 0;
  const messages: number[] = [];
  const closes: (string | undefined)[] = [];
  const none = async (): Promise<Record<string, never>> => ({});
  const relay = createRelay({
    backend: { schema, mutators, actions: { talk, work: none, meter: none, mute: none } },
    storage: memoryRelayStorage(),
    limits: { ...limits, runsPerUser: 64 },
    acceptors: [
      {
        start: (take) =>
          acceptor.start((link, origin) => {
            const timer = setInterval(() => (most = Math.max(most, link.buffered)), 1);
            onTestFinished(() => clearInterval(timer));
            const send = link.send.bind(link);
            return take(
              {
                send(message) {
                  messages.push(message.length);
                  send(message);
                  most = Math.max(most, link.buffered);
                },
                get buffered() {
                  return link.buffered;
                },
                close(reason) {
                  closes.push(reason?.code);
                  link.close(reason);
                },
                ...(link.greeted && { greeted: () => link.greeted?.() }),
              },
              origin,
            );
          }),
        stop: acceptor.stop,
      },
    ],
  });
  onTestFinished(async () => {
    await relay.close({ graceMs: 0 });
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const open = (userId: string): Viewer => {
    const sockets: WebSocket[] = [];
    class Held extends WebSocket {
      constructor(url: string) {
        super(url);
        sockets.push(this);
      }
    }
    const transports = [webSocket(`ws://127.0.0.1:${port}`, { WebSocket: Held })];
    const store = createStore({ schema, mutators, room: 'room', userId, storage: memoryClientStorage(), transports });
    onTestFinished(() => store.close());
    return { store, sockets };
  };
  return { open, messages, closes, most: () => most };
}

describe('slow viewers', () => {
  it('[SR17] forty streams go on at once, and one that reads nothing costs little, holds up nobody, and then gets all of it', async () => {
    const COUNT = 40;
    const [begin, end] = [gate(), gate()];
    const said = new Map<string, string>();
    const { open, most, messages } = await wires(async (ctx, { id }) => {
      await begin.passed;
      let text = '';
      // 400 KB each, 16 MB in all: more than the kernel takes for a connection.
      for (let piece = 0; piece < 100; piece++) {
        const part = `${id}/${piece} ${'ä'.repeat(2_000)}`;
        text += part;
        ctx.broadcastStream(part);
        if (piece % 4 === 3) await pause(10);
      }
      said.set(id, text);
      await end.passed;
      return {};
    });
    const [author, slow, fast] = [open('ann'), open('bob'), open('cyd')];
    await Promise.all([author, slow, fast].map(({ store }) => store.synced));
    const runs = Array.from({ length: COUNT }, (_, index) => author.store.action.talk({ id: String(index) }));
    await Promise.all(runs.map((run) => run.accepted));
    const look = ({ store }: Viewer) => runs.map(({ id }) => store.stream('talk', id));
    const [slowViews, fastViews] = [look(slow), look(fast)];
    for (const socket of slow.sockets) socket.pause();
    begin.open();
    await expect.poll(() => said.size, { timeout: 20_000 }).toBe(COUNT);
    const texts = runs.map((_, index) => said.get(String(index)));
    await expect.poll(() => fastViews.map((view) => view.state), { timeout: 20_000 }).toEqual(texts);
    expect(slowViews.map((view) => view.state)).not.toEqual(texts);
    expect(most()).toBeLessThan(1_000_000);
    for (const socket of slow.sockets) socket.resume();
    await expect.poll(() => slowViews.map((view) => view.state), { timeout: 20_000 }).toEqual(texts);
    expect(slow.sockets).toHaveLength(1);
    expect(most()).toBeLessThan(1_000_000);
    expect(Math.max(...messages)).toBeLessThan(160 * KIB);
    end.open();
    await Promise.all(slowViews.map((view) => view.ended));
  }, 90_000);

  it('[SR18] one that takes nothing for too long is closed with stream.slowViewer, comes back, and gets each piece once', async () => {
    const [begin, more, end] = [gate(), gate(), gate()];
    const { open, closes } = await wires(
      async (ctx) => {
        await begin.passed;
        for (let piece = 0; piece < 400; piece++) {
          ctx.broadcastStream(`${piece} ${'x'.repeat(40_000)}`);
          if (piece % 4 === 3) await pause(1);
        }
        await more.passed;
        ctx.broadcastStream(' and the end');
        await end.passed;
        return {};
      },
      { drainMs: 300, streamBytes: 64 * KIB * KIB },
    );
    const [author, slow] = [open('ann'), open('bob')];
    await Promise.all([author.store.synced, slow.store.synced]);
    const asked = author.store.action.talk({ id: 'a' });
    const view = slow.store.stream('talk', asked.id);
    const read: string[] = [];
    const reading = (async () => {
      for await (const piece of view) read.push(piece);
    })();
    const [socket] = slow.sockets;
    begin.open();
    await expect.poll(() => view.state.length).toBeGreaterThan(0);
    socket?.pause();
    await expect.poll(() => closes, { timeout: 20_000 }).toContain('stream.slowViewer');
    socket?.resume();
    more.open();
    await expect.poll(() => view.state.endsWith('and the end'), { timeout: 20_000 }).toBe(true);
    expect(slow.sockets.length).toBeGreaterThan(1);
    end.open();
    await view.ended;
    await reading;
    expect(read.join('')).toBe(view.state);
    expect(view.state).toBe(`${Array.from({ length: 400 }, (_, piece) => `${piece} ${'x'.repeat(40_000)}`).join('')} and the end`);
  }, 90_000);

  it('[SR19] an open text that is larger than a message reaches a newcomer in parts', async () => {
    const end = gate();
    const text = '0123456789 ä 💙 '.repeat(200_000);
    const { open, messages } = await wires(
      async (ctx) => {
        ctx.broadcastStream(text);
        await end.passed;
        return {};
      },
      { streamBytes: 64 * KIB * KIB, bufferedBytes: KIB * KIB },
    );
    const author = open('ann');
    const asked = author.store.action.talk({ id: 'a' });
    await asked.accepted;
    const late = open('bob');
    await late.store.synced;
    const view = late.store.stream('talk', asked.id);
    await expect.poll(() => view.state.length, { timeout: 20_000 }).toBe(text.length);
    expect(view.state).toBe(text);
    expect(late.sockets).toHaveLength(1);
    expect(Math.max(...messages)).toBeLessThan(160 * KIB);
    end.open();
    await view.ended;
  }, 60_000);
});
