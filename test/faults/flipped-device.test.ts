import type { ClientStorage, StorageKey, StorageValue, Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { beforeAll, describe, expect, it } from 'vitest';
import { diskOf, foldOf, rowsOf, soon, startRelay, type MemoryRelayDisk, type S } from './scene.ts';
import { closed, level, spoiltScene } from './spoilt-scene.ts';
import { spoil } from './spoilt.ts';

type Pair = readonly [StorageKey, StorageValue];

let disk: MemoryRelayDisk;
let pairs: readonly Pair[];
/** What a device that is well shows, offline and level. */
let offline: unknown;
let whole: unknown;

beforeAll(async () => {
  const scene = await spoiltScene();
  disk = scene.disk;
  pairs = await (await scene.device.open('alice/room')).range([]);
  const seen = await look(pairs);
  ({ offline, level: whole } = seen);
  expect(seen.reason).toBeUndefined();
});

async function deviceOf(list: readonly Pair[]): Promise<ClientStorage> {
  const device = memoryClientStorage({ durable: true });
  await (await device.open('alice/room')).write({ put: list });
  return device;
}

/** Opens a device without a way to the relay, then with one, then once more. What was promised always is checked here. */
async function look(list: readonly Pair[]): Promise<{ offline: unknown; level: unknown; reason: string | undefined; again: unknown }> {
  const device = await deviceOf(list);
  const before = disk.rooms.get('room')?.log ?? [];
  const here = diskOf(disk.rooms);
  const all = startRelay(memoryRelayStorage(here));
  try {
    all.hub.setAvailable('alice', false);
    const alice: Store<S> = all.open('alice', device);
    await soon(alice.ready, 'ready');
    const shown = rowsOf(alice);
    const { reason } = alice.status;
    all.hub.setAvailable('alice', true);
    await level(alice);
    const log = here.rooms.get('room')?.log ?? [];
    expect(log.slice(0, before.length), 'what the relay had confirmed stays').toEqual(before);
    const rows = rowsOf(alice);
    expect(rows, 'rows are those of the log').toEqual(foldOf(here).rows);
    await closed(alice);
    const later = all.open('alice', device);
    await soon(later.ready, 'ready again');
    return { offline: shown, level: rows, reason: reason?.code, again: rowsOf(later) };
  } finally {
    await all.close();
  }
}

async function hit(key: StorageKey, value: StorageValue | undefined, isGone: boolean, what: string): Promise<string | undefined> {
  const list = pairs.flatMap((pair): Pair[] => (pair[0] === key ? (isGone ? [] : [[key, value]]) : [pair]));
  const seen = await look(list).catch((error: unknown) => {
    throw new Error(`${what}: ${String(error)}`, { cause: error });
  });
  expect(seen.again, `${what}: read again`).toEqual(seen.level);
  if (seen.reason !== 'storage.corrupt') {
    // Not noticed: then nothing may look otherwise.
    expect([what, seen.reason], what).toEqual([what, undefined]);
    if (key[0] !== 'log' || !isGone) expect(seen.offline, `${what}: offline`).toEqual(offline);
  }
  // A pending mutation that cannot be read cannot be sent either; everything else is as it was.
  if (key[0] !== 'outbox') expect(seen.level, `${what}: level`).toEqual(whole);
  return seen.reason;
}

describe('a device whose disk has changed something', () => {
  it.each(['device', 'base', 'doc', 'log', 'outbox', 'rejected', 'fence'])(
    '[FB1] in a %s record says so or has the same rows, and the relay makes up for it',
    async (kind) => {
      const counts: Record<string, number> = {};
      for (const [key, value] of pairs.filter(([[first]]) => first === kind)) {
        for (const spoilt of spoil(value, key.join('/'))) {
          await hit(key, spoilt.value, false, `${spoilt.kind} ${spoilt.what}`);
          counts[spoilt.kind] = (counts[spoilt.kind] ?? 0) + 1;
        }
      }
      const isBytes = kind === 'doc' || kind === 'log';
      const expected = isBytes ? ['flipped', 'cut'] : kind === 'fence' ? ['changed'] : ['dropped', 'changed'];
      for (const name of expected) expect(counts[name] ?? 0, `${name} was never injected`).toBeGreaterThan(0);
    },
    120_000,
  );

  it.each(['device', 'base', 'doc', 'log'])('[FB2] by losing a whole %s record gets what it held from the relay', async (kind) => {
    const keys = pairs.map(([key]) => key).filter(([first]) => first === kind);
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) await hit(key, undefined, true, `lost ${key.join('/')}`);
  });
});
