import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createStore, defineMutators, defineSchema, table, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Limits } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { webSocketAcceptor } from '#websocket-acceptor';

const MIB = 1024 * 1024;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const schema = defineSchema({
  schemaVersion: 1,
  tables: { notes: { schema: table(z.object({ id: z.string(), text: z.string() })) } },
  mutators: { write: { input: z.object({ id: z.string(), text: z.string() }) } },
  actions: { talk: { input: z.object({ id: z.string() }), output: z.object({}), stream: { kind: 'text' } } },
});
const mutators = defineMutators<typeof schema>({ write: (ctx, input) => ctx.table('notes').set(input.id, input) });

/** A relay whose links can be looked at, and stores whose TCP connections can be held. */
async function scene(limits: Partial<Limits>, talk: (say: (piece: string) => void) => Promise<void>) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clock = {
    now: () => Date.now(),
    after(ms: number, run: () => void) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    soon: (run: () => void) => void setImmediate(run),
  };
  const acceptor = webSocketAcceptor({ server, clock });
  let most = 0;
  const acceptors = [
    {
      start(take: Parameters<typeof acceptor.start>[0]) {
        acceptor.start((link, origin) => {
          const timer = setInterval(() => (most = Math.max(most, link.buffered)), 2);
          onTestFinished(() => clearInterval(timer));
          return take(link, origin);
        });
      },
      stop: acceptor.stop,
    },
  ];
  const actions = {
    talk: {
      cell: ({ id }: { id: string }) => ({ table: 'notes' as const, key: id, field: 'text' as const }),
      async run(ctx: { broadcastStream(piece: string): void }) {
        await talk((piece) => ctx.broadcastStream(piece));
        return {};
      },
    },
  };
  const relay = createRelay({ backend: { schema, mutators, actions }, storage: memoryRelayStorage(), acceptors, limits });
  onTestFinished(async () => {
    await relay.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const open = (userId: string): { readonly store: Store<typeof schema>; readonly sockets: readonly WebSocket[] } => {
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
  return { open, most: () => most };
}

it('[LI9] a viewer that reads nothing costs a bounded buffer while a stream goes on, and then sees all of it', async () => {
  const piece = 'x'.repeat(MIB / 2);
  const said = { pieces: 0 };
  // More than the kernel takes for a connection.
  const total = 48;
  const { open, most } = await scene({ ephemeralBytes: MIB, bufferedBytes: 128 * MIB, streamBytes: 64 * MIB }, async (say) => {
    for (; said.pieces < total; said.pieces++) {
      say(piece);
      await pause(55);
    }
    await end;
  });
  let finish = (): void => undefined;
  const end = new Promise<void>((resolve) => (finish = resolve));
  const author = open('ann');
  const slow = open('bob');
  await (
    await author.store.mutate.write({ id: 'a', text: '' })
  ).confirmed;
  await expect.poll(() => slow.store.table('notes').count()).toBe(1);
  author.store.action.talk({ id: 'a' });
  await expect.poll(() => slow.store.table('notes').list()[0]?.text.length).toBeGreaterThan(0);
  for (const socket of slow.sockets) socket.pause();
  await expect.poll(() => said.pieces, { timeout: 20_000 }).toBe(total);
  // One piece more than the limit may wait: the one with which it was passed.
  expect(most()).toBeLessThan(4 * MIB);
  for (const socket of slow.sockets) socket.resume();
  await expect.poll(() => slow.store.table('notes').list()[0]?.text.length, { timeout: 20_000 }).toBe(total * piece.length);
  expect(slow.sockets.length).toBe(1);
  finish();
}, 60_000);

it('[LI10] a reader that reads nothing of what is kept is closed, costs a bounded buffer, and catches up', async () => {
  const { open, most } = await scene({ bufferedBytes: 2 * MIB }, async () => undefined);
  const author = open('ann');
  const slow = open('bob');
  await expect.poll(() => slow.store.status.state).toBe('online');
  for (const socket of slow.sockets) socket.pause();
  const rows = 120;
  for (let index = 0; index < rows; index++) {
    await (
      await author.store.mutate.write({ id: String(index).padStart(3, '0'), text: 'y'.repeat(200_000) })
    ).confirmed;
  }
  expect(most()).toBeLessThan(4 * MIB);
  for (const socket of slow.sockets) socket.resume();
  await expect.poll(() => slow.store.table('notes').count(), { timeout: 30_000 }).toBe(rows);
  expect(slow.sockets.length).toBeGreaterThan(1);
  expect(author.sockets.length).toBe(1);
}, 90_000);
