import type { AnyAccess } from '../access/access.ts';
import { CotableError, isCotableError } from '../errors.ts';
import { randomName } from '../mutation/mutation-id.ts';
import type { MutatorFunctions } from '../mutation/run.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage, StoredRoom } from '../ports/relay-storage.ts';
import { RELAY_WRITER } from '../ports/writer-ids.ts';
import type { TableUpdate } from '../protocol/frames.ts';
import { decodeRecord, decodeTables, type EntryRecord } from '../protocol/records.ts';
import type { AnySchema } from '../schema/schema.ts';
import { isOutgrown, makeAfresh } from './epoch.ts';
import type { Limits } from './limits.ts';
import type { Poison } from './quarantine.ts';
import { createRoomTable, type RoomTable } from './room-table.ts';
import type { RunRequests } from './runs/requests.ts';

/** Entries are read in pages of this size. */
export const PAGE = 200;

export interface RoomOptions {
  readonly name: string;
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly access: AnyAccess | undefined;
  readonly storage: RelayStorage;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: Limits;
  /** Makes runs of what mutations ask for. */
  readonly requests: RunRequests;
  /** Whether a frame has broken this room before. */
  readonly isQuarantined: (poison: Poison) => boolean;
}

/** A room as it was read from disk. */
export interface LoadedRoom {
  readonly stored: StoredRoom;
  /** The number of the relay's own last mutation. */
  readonly last: number;
  readonly tables: ReadonlyMap<string, RoomTable>;
  /** The highest clock of an entry that was read. What it wrote need not stand any more. */
  readonly clock: number;
  /** Whether it is of use to try a compaction while the room is in memory. */
  readonly isCompactable: boolean;
}

/** Whether a room that could not be loaded cannot be loaded again either: only other code of the app's mends it, and so a start. */
export function isLasting(error: unknown): boolean {
  return isCotableError(error, 'schema.migrationFailed') || isCotableError(error, 'room.newerSchema');
}

/**
 * Reads a room: snapshot, then the log behind it. Begins a new epoch of it when its rows are of an older version of the
 * schema, or when its documents have outgrown them. Throws `room.newerSchema` or `schema.migrationFailed`: nothing was
 * changed then, and it is so until the relay starts with other code. A compaction that cannot be kept is left for later.
 */
export async function loadRoom(options: RoomOptions): Promise<LoadedRoom> {
  const { storage, random, name, schema, limits, logger } = options;
  const { schemaVersion: version } = schema;
  const stored = await storage.openRoom(name, { lineage: randomName(random), epoch: 1, schemaVersion: version });
  const { epoch, head, schemaVersion } = stored;
  if (schemaVersion > version) throw new CotableError('room.newerSchema', { mine: version, theirs: schemaVersion });
  const [own] = await storage.writers(name, [RELAY_WRITER]);
  const last = own?.last ?? 0;
  const { updates, clock } = await readUpdates(options, stored);
  const loaded = { tables: tablesOf(schema, updates), last, clock, stored, isCompactable: true };
  const isOlder = schemaVersion < version;
  if (!isOlder && !isOutgrown(loaded.tables, limits.compaction)) return loaded;

  const bytes = makeAfresh(schema, loaded.tables, limits.compaction.keepDeletesMs, { from: schemaVersion, to: version });
  try {
    await storage.rebirth(name, { epoch, after: head }, { schemaVersion: version, bytes });
  } catch (error) {
    // Another relay was first, or the rows are not what this one speaks of: only a room that is well can be used as it is.
    if (isOlder || isCotableError(error, 'storage.conflict')) throw error;
    logger.error({ room: name, error }, 'the room could not be compacted');
    return { ...loaded, isCompactable: false };
  }
  logger.info({ room: name, epoch: epoch + 1, schemaVersion: version, bytes: bytes.length }, isOlder ? 'room migrated' : 'room compacted');
  const reborn: StoredRoom = { ...stored, epoch: epoch + 1, schemaVersion: version, snapshot: { seq: head, bytes } };
  return { tables: tablesOf(schema, decodeTables(bytes)), last, clock, stored: reborn, isCompactable: true };
}

async function readUpdates(
  { name, storage }: RoomOptions,
  { head, snapshot }: StoredRoom,
): Promise<{ readonly updates: readonly TableUpdate[]; readonly clock: number }> {
  let clock = 0;
  const updates: TableUpdate[] = snapshot ? [...orCorrupt(() => decodeTables(snapshot.bytes), `snapshot of room ${name}`)] : [];
  for (let seq = snapshot?.seq ?? 0; seq < head;) {
    const page = await storage.entries(name, seq, PAGE);
    for (const entry of page) {
      const record = orCorrupt(() => readEntry(entry.bytes), `log of room ${name} at ${entry.seq}`);
      updates.push(...record.updates, ...record.repairs);
      clock = Math.max(clock, record.clock);
      seq = entry.seq;
    }
    if (page.length === 0) throw new CotableError('storage.corrupt', { record: `log of room ${name} after ${seq}` });
  }
  return { updates, clock };
}

/**
 * The relay writes as the same one in every memory of a room. So what one memory wrote and could not keep the next may write
 * otherwise: nobody has been told of it, and what is built here is what was kept.
 */
function tablesOf(schema: AnySchema, updates: readonly TableUpdate[]): LoadedRoom['tables'] {
  const tables = new Map<string, RoomTable>();
  for (const name of Object.keys(schema.tables)) {
    const ofTable = updates.filter((update) => update.table === name).map((update) => update.bytes);
    tables.set(name, createRoomTable(name, RELAY_WRITER, ofTable));
  }
  return tables;
}

function readEntry(entry: Uint8Array): EntryRecord {
  const record = decodeRecord(entry);
  if (record.kind !== 'entry') throw new TypeError('it is no entry');
  return record;
}

/** What was well when it was written and cannot be read now was damaged since. */
function orCorrupt<T>(read: () => T, record: string): T {
  try {
    return read();
  } catch (error) {
    throw new CotableError('storage.corrupt', { record }, { cause: error });
  }
}
