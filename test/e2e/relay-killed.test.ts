import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStore, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { webSocket } from 'cotable/transports/websocket';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { mutators, schema } from '../fixtures/notes.mjs';
import { startRelay, type RelayProcess } from './relay-process.ts';

const BURST = 200;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cotable-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function start(port = 0): Promise<RelayProcess> {
  const relay = await startRelay(join(folder, 'relay.db'), port);
  onTestFinished(async () => void (await relay.stop('SIGKILL')));
  return relay;
}

function open(relay: RelayProcess, userId: string): Store<typeof schema> {
  const store = createStore({
    schema,
    mutators,
    room: 'room',
    userId,
    storage: memoryClientStorage({ durable: true }),
    transports: [webSocket(relay.url, { WebSocket })],
  });
  onTestFinished(() => store.close());
  return store;
}

/** Writes a burst and kills the relay when about `after` of it are acknowledged. Which were, by id, at that moment. */
async function killInBurst(
  after: number,
): Promise<{ readonly acked: readonly string[]; readonly store: Store<typeof schema>; readonly port: number }> {
  const relay = await start();
  const store = open(relay, 'ann');
  await store.synced;
  const acked: string[] = [];
  let killed: Promise<unknown> | undefined;
  let ackedAtKill: readonly string[] = [];
  for (let n = 0; n < BURST; n++) {
    const id = `n${String(n).padStart(3, '0')}`;
    const { confirmed } = await store.mutate.write({ id, text: `note ${n}` });
    confirmed.then(
      () => {
        acked.push(id);
        if (acked.length < after || killed) return;
        ackedAtKill = [...acked];
        killed = relay.stop('SIGKILL');
      },
      () => undefined,
    );
    // The burst is longer than one group: some of it is on its way when the first are acknowledged.
    if (n % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.waitFor(() => expect(killed).toBeDefined(), { timeout: 10_000, interval: 1 });
  await killed;
  await vi.waitFor(() => expect(store.status.state).not.toBe('online'), { timeout: 10_000, interval: 1 });
  expect(acked.length).toBeGreaterThanOrEqual(ackedAtKill.length);
  return { acked: [...acked], store, port: relay.port };
}

describe('a relay that is killed', () => {
  it('[KR1] in the middle of a burst of 200 mutations has kept every acknowledged one, none twice, and gets the rest when it is back', async () => {
    // A kill counts only when some, but not all, were acknowledged; which share is a matter of the machine.
    let killed = await killInBurst(20);
    for (let attempt = 0; killed.acked.length >= BURST && attempt < 5; attempt++) {
      await killed.store.close();
      await rm(folder, { recursive: true, force: true });
      killed = await killInBurst(1);
    }
    const { acked, store, port } = killed;
    expect(acked.length).toBeGreaterThan(0);
    expect(acked.length).toBeLessThan(BURST);

    // What is on disk, before the author is back: a reader on another port sees every acknowledged one.
    const alone = await start();
    const reader = open(alone, 'ben');
    await reader.synced;
    const kept = reader
      .table('notes')
      .list()
      .map((note) => note.id);
    expect(kept).toEqual(expect.arrayContaining([...acked]));
    await reader.close();
    await alone.stop('SIGTERM');

    const again = await start(port);
    await vi.waitFor(() => expect(store.status).toMatchObject({ state: 'online', pending: 0 }), { timeout: 30_000, interval: 10 });
    const late = open(again, 'cyd');
    const changes: string[] = [];
    late.table('notes').changes$.subscribe((list) => changes.push(...list.map((change) => change.key)));
    await late.synced;
    const all = Array.from({ length: BURST }, (_, n) => `n${String(n).padStart(3, '0')}`);
    expect(
      late
        .table('notes')
        .list()
        .map((note) => note.id),
    ).toEqual(all);
    expect(
      store
        .table('notes')
        .list()
        .map((note) => note.id),
    ).toEqual(all);
    expect(changes.sort()).toEqual(all);

    await again.stop('SIGTERM');
    const storage = sqlite(join(folder, 'relay.db'));
    onTestFinished(() => storage.close());
    expect((await storage.entries('room', 0, 2 * BURST)).length).toBe(BURST);
  }, 90_000);

  it('[KR2] by SIGTERM shuts down cleanly: exit code 0, everything that was accepted is acknowledged first', async () => {
    const relay = await start();
    const store = open(relay, 'ann');
    await store.synced;
    const receipts = await Promise.all(Array.from({ length: 50 }, (_, n) => store.mutate.write({ id: `n${n}`, text: 'before' })));
    await receipts[0]?.confirmed;
    expect(await relay.stop('SIGTERM')).toBe(0);
    await vi.waitFor(() => expect(store.status.state).not.toBe('online'), { timeout: 10_000, interval: 1 });
    const confirmed = receipts.length - store.status.pending;

    const again = await start();
    const reader = open(again, 'ben');
    await reader.synced;
    expect(reader.table('notes').count()).toBe(confirmed);
  }, 60_000);
});
