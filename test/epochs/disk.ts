import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import type { RelayStorage } from 'cotable/relay';
import * as decoding from 'lib0/decoding';
import { onTestFinished } from 'vitest';
import { applyUpdate, Doc } from 'yjs';

export const KINDS = ['memory', 'sqlite'] as const;

/** A relay's disk, which outlives the storages that are opened on it. */
export interface Disk {
  open(): RelayStorage;
}

export async function diskOf(kind: (typeof KINDS)[number]): Promise<Disk> {
  if (kind === 'memory') {
    const disk = memoryRelayDisk();
    return { open: () => memoryRelayStorage(disk) };
  }
  const folder = await mkdtemp(join(tmpdir(), 'cotable-epochs-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return { open: () => sqlite(join(folder, 'relay.db')) };
}

/** One table's document as it lies in the storage. */
export interface StoredTable {
  readonly bytes: number;
  /** Structs in memory once it is loaded. */
  readonly items: number;
  readonly writers: number;
  /** All cells, by key. */
  readonly cells: ReadonlyMap<string, readonly unknown[]>;
}

export interface StoredState {
  readonly lineage: number;
  readonly epoch: number;
  readonly schemaVersion: number;
  readonly head: number;
  table(name: string): StoredTable;
}

/** What a storage holds of a room, read without any code of the product. */
export async function storedState(storage: RelayStorage, room = 'room'): Promise<StoredState> {
  const { snapshot, ...state } = await storage.openRoom(room, { lineage: 1, epoch: 1, schemaVersion: 1 });
  const updates = snapshot ? readUpdates(decoding.createDecoder(snapshot.bytes)) : [];
  for (const { bytes } of await storage.entries(room, snapshot?.seq ?? 0, Infinity)) {
    const input = decoding.createDecoder(bytes);
    decoding.readUint8(input);
    for (let n = 0; n < 6; n++) decoding.readVarUint(input);
    updates.push(...readUpdates(input), ...readUpdates(input));
  }
  return {
    ...state,
    table(name) {
      const doc = new Doc();
      const own = updates.filter(({ table }) => table === name);
      for (const { bytes } of own) applyUpdate(doc, bytes);
      const lists = [...doc.store.clients.values()];
      return {
        bytes: own.reduce((sum, { bytes }) => sum + bytes.length, 0),
        items: lists.reduce((sum, list) => sum + list.length, 0),
        writers: lists.length,
        cells: new Map(doc.getMap<readonly unknown[]>(name).entries()),
      };
    },
  };
}

function readUpdates(input: decoding.Decoder): { readonly table: string; readonly bytes: Uint8Array }[] {
  return Array.from({ length: decoding.readVarUint(input) }, () => {
    return { table: decoding.readVarString(input), bytes: decoding.readVarUint8Array(input).slice() };
  });
}
