import { CotableError, createStore, type Store, type Transport } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Real turns of the event loop, while the time of day stands still. */
async function turns(): Promise<void> {
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve));
}

function open(transports: readonly Transport[]): Store<typeof schema> {
  const store = createStore({ schema, mutators, room: 'room', storage: memoryClientStorage(), transports, userId: 'ann' });
  onTestFinished(() => store.close());
  return store;
}

function relayOn(hub: MemoryHub): void {
  const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage(), acceptors: [hub.acceptor()] });
  onTestFinished(() => relay.close());
}

/** A way that leads nowhere, and when it was tried. */
function deadEnd(): { readonly transport: Transport; readonly triedAt: number[] } {
  const triedAt: number[] = [];
  return {
    triedAt,
    transport: {
      connect(events) {
        triedAt.push(Date.now());
        setImmediate(() => events.closed());
        return { send: () => undefined, close: () => undefined, buffered: 0 };
      },
    },
  };
}

describe('the link of a store', () => {
  it('[LK1] is opened again after a random part of a delay that doubles from 1 s to 30 s', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { transport, triedAt } = deadEnd();
    open([transport]);
    await turns();
    for (let n = 0; n < 200; n++) {
      await vi.advanceTimersByTimeAsync(500);
      await turns();
    }
    const waits = triedAt.slice(1, 9).map((at, index) => at - (triedAt[index] ?? 0));
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  it('[LK2] is opened at once when its transport says that the way is free again', async () => {
    const hub = memoryHub();
    relayOn(hub);
    hub.setAvailable('ann', false);
    const store = open([hub.transport('ann')]);
    await turns();
    expect(store.status.state).toBe('offline');
    hub.setAvailable('ann', true);
    await store.synced;
    expect(store.status.state).toBe('online');
  });

  it('[LK3] that goes silent is given up by its own heartbeat, and the store says that it is offline', async () => {
    const hub = memoryHub();
    relayOn(hub);
    const store = open([hub.transport('ann')]);
    await store.synced;
    hub.hold('ann');
    await vi.advanceTimersByTimeAsync(29_000);
    await turns();
    expect(store.status.state).toBe('online');
    await vi.advanceTimersByTimeAsync(1_000);
    await turns();
    expect(store.status).toMatchObject({ state: 'offline', reason: { code: 'protocol.timeout' } });
  });

  it('[LK4] stays open for hours when nothing happens but the heartbeat', async () => {
    const hub = memoryHub();
    relayOn(hub);
    const store = open([hub.transport('ann')]);
    await store.synced;
    const states: string[] = [];
    store.status$.subscribe((status) => states.push(status.state));
    for (let n = 0; n < 400; n++) {
      await vi.advanceTimersByTimeAsync(20_000);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(states).toEqual(['online']);
  });

  it('[LK5] that is not welcomed is given up, and the next transport is tried', async () => {
    const silent: Transport = {
      connect(events) {
        setImmediate(() => events.opened());
        return { send: () => undefined, close: (reason) => events.closed(reason), buffered: 0 };
      },
    };
    const hub = memoryHub();
    relayOn(hub);
    const store = open([silent, hub.transport('ann')]);
    await turns();
    expect(store.status.state).toBe('connecting');
    await vi.advanceTimersByTimeAsync(10_000);
    await turns();
    expect(store.status).toMatchObject({ state: 'offline', reason: { code: 'protocol.timeout' } });
    await vi.advanceTimersByTimeAsync(2_000);
    await store.synced;
  });

  it('[LK7] that is given up to greet anew is opened at once, and the next one after a delay, until the relay has done what was wanted', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.9);
    const triedAt: number[] = [];
    let reason = 'room.lineageChanged';
    const unwilling: Transport = {
      connect(events) {
        triedAt.push(Date.now());
        setImmediate(() => events.opened());
        return { send: () => setImmediate(() => events.closed(new CotableError<string>(reason, {}))), close: () => undefined, buffered: 0 };
      },
    };
    open([unwilling]);
    await turns();
    await vi.advanceTimersByTimeAsync(0);
    await turns();
    expect(triedAt).toHaveLength(2);
    reason = 'writer.fenced';
    await vi.advanceTimersByTimeAsync(800);
    await turns();
    expect(triedAt).toHaveLength(2);
    for (let n = 0; n < 60; n++) {
      await vi.advanceTimersByTimeAsync(500);
      await turns();
    }
    expect(triedAt.length).toBeLessThan(14);
    expect(triedAt.length).toBeGreaterThan(3);
  });

  it('[LK6] carries all frames of one turn as one message', async () => {
    const hub = memoryHub();
    relayOn(hub);
    const sent: number[] = [];
    const received: number[] = [];
    const real = hub.transport('ann');
    const store = open([
      {
        connect(events) {
          const link = real.connect({ ...events, message: (message) => void (received.push(message.length), events.message(message)) });
          return {
            close: (reason) => link.close(reason),
            buffered: 0,
            send: (message) => void (sent.push(message.length), link.send(message)),
          };
        },
      },
    ]);
    await store.synced;
    sent.length = received.length = 0;
    const receipts = await Promise.all(Array.from({ length: 40 }, (_, n) => store.mutate.write({ id: `n${n}`, text: 'x'.repeat(100) })));
    await Promise.all(receipts.map((receipt) => receipt.confirmed));
    // The first goes alone, while the disk takes the others together.
    expect(sent.length).toBeLessThanOrEqual(2);
    expect(received.length).toBeLessThanOrEqual(2);
  });
});
