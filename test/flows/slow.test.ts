import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import type { FlowEvent } from 'cotable/client';
import { createRelay, defineFlow, type LimitOptions } from 'cotable/relay';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { allEvents, gate, mutators, reach, reading, schema, send, type Served } from './scene.ts';

const MIB = 1024 * 1024;
const ITEMS = 160;
const TEXT = 'x'.repeat(MIB / 8);
/** More than the kernels take for a connection. */
const TOTAL = ITEMS * TEXT.length;

let said = 0;
let end = gate();
const flow = defineFlow({
  kind: 'long',
  actions: {
    talk: {
      inputSchema: z.object({}),
      async block(_, ctx) {
        for (said = 0; said < ITEMS; said++) await ctx.addItem({ role: 'assistant', text: TEXT }).done();
        await end.passed;
      },
    },
  },
});

/** A relay whose connections can be looked at: what the process holds for each. */
async function scene(
  limits: LimitOptions,
): Promise<Pick<Served, 'base' | 'post' | 'get'> & { readonly port: number; readonly most: () => number }> {
  const relay = createRelay({
    backend: { schema, mutators, flows: [flow] },
    storage: memoryRelayStorage(),
    limits: { streamBytes: 8 * TOTAL, ...limits },
  });
  const server = createServer(relay.handle);
  let most = 0;
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  const timer = setInterval(() => {
    for (const { writableLength } of sockets) most = Math.max(most, writableLength);
  }, 2);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    clearInterval(timer);
    await relay.close({ graceMs: 0 });
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { ...reach(`http://127.0.0.1:${port}`), port, most: () => most };
}

/** A reader of events over a bare connection, which can be held. */
function bareReader(port: number, path: string): { readonly socket: Socket; text(): string; readonly ended: Promise<void> } {
  const parts: Buffer[] = [];
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('data', (part: Buffer) => parts.push(part));
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(`GET ${path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n`);
  return { socket, text: () => unchunked(Buffer.concat(parts)), ended };
}

/** The body of an answer in chunks, as far as it came. */
function unchunked(bytes: Buffer): string {
  const body: Buffer[] = [];
  let at = bytes.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    const size = line < 0 ? NaN : Number.parseInt(bytes.subarray(at, line).toString(), 16);
    if (!(size > 0) || line + 2 + size > bytes.length) return Buffer.concat(body).toString();
    body.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

function parsed(text: string): FlowEvent[] {
  return [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, data = '']) => JSON.parse(data) as FlowEvent);
}

const lengthOf = (events: readonly FlowEvent[]): number => [...reading(events).values()].reduce((sum, { text }) => sum + text.length, 0);

describe('a slow reader of events', () => {
  it('[FL29] who takes nothing costs a bounded buffer while a request talks, and then gets all of it', async () => {
    end = gate();
    const served = await scene({ drainMs: 60_000 });
    const { requestId } = await send(served, '/api/flows/long/actions/talk', {});
    const path = `/api/flows/long/requests/${requestId}/stream`;
    const slow = bareReader(served.port, path);
    await expect.poll(() => slow.text()).toContain('item.added');
    slow.socket.pause();
    await expect.poll(() => said, { timeout: 40_000 }).toBe(ITEMS);
    expect(served.most()).toBeLessThan(2 * MIB);
    expect(lengthOf(parsed(slow.text()))).toBeLessThan(TOTAL / 2);
    slow.socket.resume();
    end.open();
    await slow.ended;
    const events = parsed(slow.text());
    expect(events.at(-1)?.type).toBe('request.completed');
    expect([reading(events).size, lengthOf(events)]).toEqual([ITEMS, TOTAL]);
    expect(served.most()).toBeLessThan(2 * MIB);
  });

  it('[FL29] who takes nothing for too long is left, and goes on behind what it has', async () => {
    end = gate();
    end.open();
    const served = await scene({ drainMs: 300 });
    const { requestId } = await send(served, '/api/flows/long/actions/talk', {});
    const path = `/api/flows/long/requests/${requestId}/stream`;
    const slow = bareReader(served.port, path);
    await expect.poll(() => slow.text()).toContain('item.added');
    slow.socket.pause();
    await expect.poll(() => said, { timeout: 40_000 }).toBe(ITEMS);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    slow.socket.resume();
    await slow.ended;
    const first = parsed(slow.text());
    expect(lengthOf(first)).toBeLessThan(TOTAL);
    const rest = await allEvents(await served.get(path, { 'last-event-id': first.at(-1)?.id ?? '' }));
    expect(lengthOf([...first, ...rest])).toBe(TOTAL);
    expect(rest.at(-1)?.type).toBe('request.completed');
  });
});

describe('a reader of events who leaves', () => {
  it.each(['between two events', 'while it waits for one'])('[FL37] leaves nothing behind, %s', async (when) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const wait = gate();
    const waits = defineFlow({ kind: 'waits', actions: { wait: { inputSchema: z.object({}), block: () => wait.passed } } });
    const limits = { unloadMs: 5 };
    const relay = createRelay({ backend: { schema, mutators, flows: [waits] }, storage: memoryRelayStorage(), limits });
    onTestFinished(() => {
      vi.useRealTimers();
      return relay.close();
    });
    const init = { method: 'POST', headers: { accept: 'text/event-stream' }, body: JSON.stringify({ input: {}, userId: 'ann' }) };
    const reader = (await relay.fetch(new Request('http://relay/api/flows/waits/actions/wait', init))).body?.getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!text.includes('in_progress')) text += decoder.decode((await reader?.read())?.value);
    const next = when === 'between two events' ? undefined : reader?.read();
    // By then it has begun to wait.
    await new Promise((resolve) => setTimeout(resolve, 10));
    await reader?.cancel();
    await next;
    wait.open();
    await relay.drain();
    const rooms = async (): Promise<unknown> => (await (await relay.fetch(new Request('http://relay/healthz'))).json()).rooms;
    expect(await rooms()).toBe(1);
    // What was said is remembered for a minute. Who still read would keep the room for longer.
    vi.setSystemTime(Date.now() + 61_000);
    await expect.poll(rooms, { timeout: 5_000 }).toBe(0);
  });
});
