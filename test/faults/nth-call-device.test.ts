import type { ClientStorage, MutationReceipt, StorageKey, StorageValue } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { beforeAll, expect, it } from 'vitest';
import { createNthCall, failingClientStorage, inBatches, type NthCall, type Way } from './nth-call.ts';
import { diskOf, foldOf, nameInLog, rowsOf, soon, startRelay, type MemoryRelayDisk } from './scene.ts';
import { closed, level, spoiltScene } from './spoilt-scene.ts';

let disk: MemoryRelayDisk;
/** A device with documents, a log, something pending and something rejected. */
let pairs: readonly (readonly [StorageKey, StorageValue])[];

beforeAll(async () => {
  const scene = await spoiltScene();
  disk = scene.disk;
  pairs = await (await scene.device.open('alice/room')).range([]);
});

async function usedDevice(): Promise<ClientStorage> {
  const device = memoryClientStorage({ durable: true });
  await (await device.open('alice/room')).write({ put: pairs });
  return device;
}

/** A device is opened, written on, refused something and closed, with one call of its storage that fails. */
async function scenario(nth: NthCall, what: string): Promise<void> {
  const here = diskOf(disk.rooms);
  const before = here.rooms.get('room')?.log.slice() ?? [];
  const pendingBefore = pairs.flatMap(([[kind], value]) => (kind === 'outbox' ? [(value as { readonly id: string }).id] : []));
  const device = await usedDevice();
  const all = startRelay(memoryRelayStorage(here));
  try {
    all.hub.setAvailable('alice', false);
    const alice = all.open('alice', failingClientStorage(device, nth));
    const isReady = await soon(
      alice.ready.then(
        () => true,
        () => false,
      ),
      `${what}: ready`,
    );
    const made: MutationReceipt[] = [];
    if (isReady) {
      made.push(await alice.mutate.write({ id: 'offline', text: 'made offline' }));
      all.hub.setAvailable('alice', true);
      made.push(await alice.mutate.write({ id: 'x', text: 'x' }));
      const refused = await alice.mutate.write({ id: 'closed too', text: 'never' });
      made.push(await alice.mutate.star({ id: 'x', stars: 1 }));
      await expect(soon(refused.confirmed, `${what}: refusal`), what).rejects.toMatchObject({ code: 'access.denied' });
      made.push(await alice.mutate.star({ id: 'x', stars: 2 }));
      await soon(Promise.all(made.map(({ confirmed }) => confirmed)), `${what}: confirmed`);
      await level(alice);
      expect(rowsOf(alice), what).toEqual(foldOf(here).rows);
      expect(
        alice.rejections.map(({ id }) => id),
        what,
      ).toContain(refused.id);
      const isChange = nth.failed !== undefined && nth.failed !== 'range';
      if (isChange) expect(alice.status, what).toMatchObject({ durable: false, reason: { code: 'storage.unavailable' } });
      else expect(alice.status, what).toMatchObject({ durable: true, reason: undefined });
    } else {
      // What lies on the device could not be read: nothing is known of it, so nothing is done.
      expect(nth.failed, what).toBe('range');
      expect(alice.status, what).toMatchObject({ state: 'error', reason: { code: 'storage.unavailable' } });
      all.hub.setAvailable('alice', true);
    }
    await closed(alice);
    const again = all.open('alice', device);
    await soon(again.ready, `${what}: ready again`);
    await level(again);
    const { rows, mutations } = foldOf(here);
    expect(rowsOf(again), `${what}: read again`).toEqual(rows);
    for (const id of [...made.map((receipt) => receipt.id), ...pendingBefore]) expect(mutations, what).toContain(nameInLog(id));
    expect(here.rooms.get('room')?.log.slice(0, before.length), what).toEqual(before);
  } finally {
    await all.close();
  }
}

it.each(['lost', 'unheard'] as const)(
  '[NF3 NF4] whichever call of its storage fails (%s), a store says what it must, loses nothing, and its device can be used again',
  async (way: Way) => {
    const well = createNthCall(0, way);
    await scenario(well, 'nothing fails');
    const failed = new Map<string, number>();
    const numbers = Array.from({ length: well.count }, (_, index) => index + 1);
    await inBatches(numbers, 60, async (number) => {
      const nth = createNthCall(number, way);
      await scenario(nth, `call ${number}, ${way}`);
      if (nth.failed) failed.set(nth.failed, (failed.get(nth.failed) ?? 0) + 1);
    });
    expect(
      ['open', 'range', 'write', 'update'].filter((name) => !failed.has(name)),
      'never injected',
    ).toEqual([]);
  },
  240_000,
);
