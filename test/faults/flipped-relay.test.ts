import type { ClientStorage, StorageKey, StorageValue, Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { filter, firstValueFrom } from 'rxjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { diskOf, foldOf, rowsOf, soon, startRelay, type MemoryRelayDisk, type S } from './scene.ts';
import { closed, spoiltScene } from './spoilt-scene.ts';
import { spoil } from './spoilt.ts';

let disk: MemoryRelayDisk;
let snapshotAt: number;
/** A device that lacks what is in the log since before the snapshot, with nothing pending. */
let behind: readonly (readonly [StorageKey, StorageValue])[];
let rows: unknown;

beforeAll(async () => {
  const scene = await spoiltScene();
  ({ disk, snapshotAt } = scene);
  const all = await (await scene.device.open('alice/room')).range([]);
  behind = all.filter(([[kind]]) => kind !== 'outbox');
  rows = foldOf(disk).rows;
});

async function deviceBehind(): Promise<ClientStorage> {
  const device = memoryClientStorage({ durable: true });
  await (await device.open('alice/room')).write({ put: behind });
  return device;
}

const roomOf = (of: MemoryRelayDisk): NonNullable<ReturnType<typeof of.rooms.get>> => {
  const room = of.rooms.get('room');
  if (!room) throw new Error('there is no room');
  return room;
};

/** Level, or told that it cannot be. */
async function settled(store: Store<S>): Promise<string> {
  const { state } = await soon(
    firstValueFrom(store.status$.pipe(filter(({ state, reason }) => state === 'online' || reason?.code === 'storage.unavailable'))),
    'level, or told why not',
  );
  return state === 'online' ? 'level' : 'told';
}

/** Starts a relay on the disk, lets a newcomer and one that is behind come, and says how they fared. */
async function fare(spoilt: MemoryRelayDisk, what: string): Promise<{ readonly newcomer: string; readonly behind: string }> {
  const before = structuredClone(roomOf(spoilt));
  const all = startRelay(memoryRelayStorage(spoilt));
  const stores = { newcomer: all.open('cyd'), behind: all.open('alice', await deviceBehind()) };
  const fared = { newcomer: await settled(stores.newcomer), behind: await settled(stores.behind) };
  for (const [name, store] of Object.entries(stores)) {
    if (store.status.state === 'online') expect(rowsOf(store), `${what}: ${name}`).toEqual(rows);
  }
  if (Object.values(fared).includes('told')) expect([...all.codes], what).toContain('storage.corrupt');
  await Promise.all(Object.values(stores).map(closed));
  await all.close();
  const { log, marks, snapshot } = roomOf(spoilt);
  expect({ log, marks }, `${what}: what the relay keeps stays as it is`).toEqual({ log: before.log, marks: before.marks });
  if (fared.newcomer === 'told') expect(snapshot).toEqual(before.snapshot);
  return fared;
}

/** Does the same to a copy of the disk for each way in which the bytes may be spoilt, many at a time: some wait for a link. */
async function eachSpoilt(
  bytes: Uint8Array | undefined,
  name: string,
  put: (room: ReturnType<typeof roomOf>, spoilt: Uint8Array) => void,
  fared: { readonly newcomer: string; readonly behind: string },
): Promise<void> {
  const all = [...spoil(bytes, name)];
  for (const kind of ['flipped', 'cut'])
    expect(all.filter((spoilt) => spoilt.kind === kind).length, `${kind} was never injected`).toBe(bytes?.length);
  for (let first = 0; first < all.length; first += TOGETHER) {
    await Promise.all(
      all.slice(first, first + TOGETHER).map(async ({ what, kind, value }) => {
        const copy = diskOf(disk.rooms);
        put(roomOf(copy), value as Uint8Array);
        expect(await fare(copy, `${kind} ${what}`), `${kind} ${what}`).toEqual(fared);
      }),
    );
  }
}

const TOGETHER = 100;

describe('a relay whose disk has changed something', () => {
  const NOBODY = { newcomer: 'told', behind: 'told' };
  const EVERYBODY = { newcomer: 'level', behind: 'level' };

  it('[FB3] in an entry of the log behind the snapshot does not open the room, says storage.corrupt and writes nothing into it', async () => {
    const { log } = roomOf(disk);
    expect(log.length).toBeGreaterThan(snapshotAt);
    for (let at = snapshotAt; at < log.length; at++) {
      await eachSpoilt(log[at], `entry ${at + 1}`, (room, bytes) => void (room.log[at] = bytes), NOBODY);
    }
  }, 120_000);

  it('[FB3] in the snapshot does not open the room, says storage.corrupt and writes nothing into it', async () => {
    const { snapshot } = roomOf(disk);
    await eachSpoilt(snapshot?.bytes, 'snapshot', (room, bytes) => void (room.snapshot = { seq: snapshotAt, bytes }), NOBODY);
  }, 120_000);

  it('[FB4] in an entry before the snapshot is noticed by the store that gets it, which takes the snapshot; nobody else needs it', async () => {
    const { log } = roomOf(disk);
    expect(snapshotAt).toBeGreaterThan(0);
    for (let at = 0; at < snapshotAt; at++) {
      await eachSpoilt(log[at], `entry ${at + 1}`, (room, bytes) => void (room.log[at] = bytes), EVERYBODY);
    }
  }, 120_000);
});
