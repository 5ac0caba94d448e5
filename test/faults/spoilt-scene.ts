import type { ClientStorage, Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { filter, firstValueFrom } from 'rxjs';
import { diskOf, soon, startRelay, type FaultRelay, type MemoryRelayDisk, type S } from './scene.ts';

/** Online, and the relay has judged all that is here. */
export async function level(store: Store<S>): Promise<void> {
  const isLevel = filter(({ state, pending }: Store<S>['status']) => state === 'online' && pending === 0);
  await soon(firstValueFrom(store.status$.pipe(isLevel)), 'level');
}

/** The store shows such a row. */
export async function seen<N extends 'notes' | 'answers'>(
  store: Store<S>,
  name: N,
  key: string,
  passes: (row: Readonly<Record<string, unknown>> & { readonly ends: number }) => boolean,
  what: string,
): Promise<void> {
  const isSeen = filter(({ row }: { readonly row: unknown }) => row !== undefined && passes(row as never));
  await soon(firstValueFrom(store.table(name).row$(key).pipe(isSeen)), what);
}

/** Resolves when the device has everything that the store has written so far. */
export async function closed(store: Store<S>): Promise<void> {
  await soon(store.close(), 'close');
}

async function kept(mutation: Promise<{ readonly confirmed: Promise<void> }>): Promise<void> {
  const { confirmed } = await mutation;
  await soon(confirmed, 'confirmed');
}

/** A relay with a log, a snapshot behind its beginning and more log behind that; and a device that is further behind. */
export interface SpoiltScene {
  readonly disk: MemoryRelayDisk;
  readonly device: ClientStorage;
  /** Where the snapshot of the relay is. */
  readonly snapshotAt: number;
}

export async function spoiltScene(): Promise<SpoiltScene> {
  const first = memoryRelayDisk();
  const before = startRelay(memoryRelayStorage(first));
  for (const id of ['a', 'b', 'c']) await before.relay.mutate('room', 'write', { id, text: `note ${id}` });
  const device = memoryClientStorage({ durable: true });
  // The first to join gets a snapshot, which its device keeps as documents.
  await used(before, device);
  await before.close();

  const second = diskOf(first.rooms);
  const room = second.rooms.get('room');
  if (!room) throw new Error('there is no room');
  // As if the first snapshot had come to be only now.
  room.snapshot = undefined;
  const after = startRelay(memoryRelayStorage(second));
  await after.relay.mutate('room', 'drop', { id: 'b' });
  await level(after.open('ben'));
  const snapshotAt = room.snapshot === undefined ? 0 : (room.snapshot as { seq: number }).seq;
  for (const id of ['d', 'e']) await after.relay.mutate('room', 'write', { id, text: `note ${id}` });
  await after.close();
  return { disk: diskOf(second.rooms), device, snapshotAt };
}

/** Leaves every kind of record on the device. */
async function used(all: FaultRelay, device: ClientStorage): Promise<void> {
  const alice = all.open('alice', device);
  await level(alice);
  await kept(alice.mutate.write({ id: 'mine', text: 'first' }));
  await kept(alice.mutate.star({ id: 'a', stars: 3 }));
  const refused = await alice.mutate.write({ id: 'closed', text: 'refused' });
  await refused.confirmed.catch(() => undefined);
  await level(alice);
  await kept(alice.mutate.star({ id: 'mine', stars: 1 }));
  all.hub.setAvailable('alice', false);
  all.hub.cut('alice');
  const pending = [await alice.mutate.write({ id: 'p', text: 'pending' }), await alice.mutate.star({ id: 'a', stars: 5 })];
  await Promise.all(pending.map(({ stored }) => stored));
  await closed(alice);
  const database = await device.open('alice/room');
  // What a tab that was cut off may leave: a writer that nobody uses any more.
  await database.write({ put: [[['fence', 12_345], true]] });
}
