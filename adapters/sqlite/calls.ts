import { CotableError } from '../../src/errors.ts';
import type { Refusal } from '../../src/ports/refusal.ts';
import type { LogEntry, Outcome, WriterState } from '../../src/ports/relay-storage.ts';
import type { StreamPart } from '../../src/ports/stream-storage.ts';
import { FIRST_PICKED_WRITER, RELAY_WRITER } from '../../src/ports/writer-ids.ts';
import { fromText, toText } from './database.ts';
import type { Connection } from './driver.ts';
import type { Arguments, Method, Result } from './messages.ts';
import { createRunCalls } from './run-calls.ts';

/** The calls of the port as they run inside a transaction of somebody else's. */
export type Calls = { readonly [M in Method]: (...args: Arguments<M>) => Result<M> };

interface RoomRow {
  readonly id: number;
  readonly lineage: number;
  readonly epoch: number;
  readonly schemaVersion: number;
  readonly head: number;
}
interface WriterRow {
  readonly owner: string;
  readonly last: number;
  readonly fenced: number;
  /** The lease; `null`: never leased. */
  readonly holder: number | null;
}

export function createCalls(connection: Connection): Calls {
  const sql = prepareAll(connection);
  const { askRun, attemptWrites, ...runs } = createRunCalls(connection, (room) => findRoom(room)?.id);

  function findRoom(room: string): RoomRow | undefined {
    return sql.findRoom.all(toText(room))[0];
  }

  /** For calls that write into a room. */
  function roomOf(room: string): RoomRow {
    const found = findRoom(room);
    if (found === undefined) throw conflict();
    return found;
  }

  return {
    ...runs,

    openRoom(room, birth) {
      sql.addRoom.run(toText(room), birth.lineage, birth.epoch, birth.schemaVersion);
      const { id, lineage, epoch, schemaVersion, head } = roomOf(room);
      return { lineage, epoch, schemaVersion, head, snapshot: sql.findSnapshot.all(id)[0] };
    },

    accept(room, position, group) {
      const { id, epoch, head } = roomOf(room);
      if (epoch !== position.epoch || head !== position.after) throw conflict();
      const touched = new Map<number, { readonly owner: string; last: number }>();
      let seq = position.after;
      for (const { entry, mark, writer, runs: asked, attempt } of group) {
        if (entry.seq !== ++seq) throw conflict();
        let state = touched.get(writer.writer);
        if (state === undefined) {
          const known = sql.findWriter.all(id, writer.writer)[0];
          if (known !== undefined && (known.fenced !== 0 || known.holder === 0)) throw conflict();
          state = known === undefined ? { owner: writer.owner, last: 0 } : { owner: fromText(known.owner), last: known.last };
          touched.set(writer.writer, state);
        }
        if (state.owner !== writer.owner || state.last + 1 !== writer.number) throw conflict();
        state.last = writer.number;
        if (sql.addMark.run(id, mark.replica, mark.counter, seq, null) === 0) throw conflict();
        sql.addEntry.run(id, seq, entry.bytes);
        // An attempt may cancel its own run: what it writes with that still counts.
        if (attempt) attemptWrites(id, attempt, seq);
        if (attempt?.ending) sql.dropStream.run(id, toText(attempt.run));
        for (const request of asked) askRun(id, request);
      }
      for (const [writer, { owner, last }] of touched) sql.putWriter.run(id, writer, toText(owner), last);
      sql.setHead.run(seq, id);
    },

    entries(room, after, limit) {
      const found = findRoom(room);
      if (found === undefined || !(limit >= 1)) return [];
      return sql.entries.all(found.id, after, Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER));
    },

    outcomes(room, keys) {
      const found = findRoom(room);
      return keys.map((key): Outcome | undefined => {
        const mark = found && sql.findMark.all(found.id, key.replica, key.counter)[0];
        if (mark === undefined) return undefined;
        return mark.refusal === null ? { seq: mark.seq } : { refused: JSON.parse(mark.refusal) as Refusal };
      });
    },

    lastCounters(room, replicas) {
      const found = findRoom(room);
      return replicas.map((replica) => (found && sql.lastMark.all(found.id, replica)[0]?.last) ?? 0);
    },

    refuse(room, refusals) {
      const { id } = roomOf(room);
      for (const { mark, refusal } of refusals) sql.addMark.run(id, mark.replica, mark.counter, null, JSON.stringify(refusal));
    },

    writers(room, writers) {
      const found = findRoom(room);
      return writers.map((writer) => {
        const known = found && sql.findWriter.all(found.id, writer)[0];
        return known && toWriter(writer, known);
      });
    },

    fence(room, owner, writers) {
      const { id } = roomOf(room);
      for (const writer of writers) sql.fence.run(id, writer, toText(owner));
    },

    leaseWriter(room, owner, replica) {
      const { id } = roomOf(room);
      const held = sql.findLease.all(id, replica, toText(owner))[0]?.writer;
      if (held === undefined) {
        const free = sql.findFree.all(id)[0]?.writer;
        const next = Math.max(RELAY_WRITER, sql.lastLeased.all(id, FIRST_PICKED_WRITER)[0]?.writer ?? 0) + 1;
        if (free === undefined && next >= FIRST_PICKED_WRITER) throw conflict();
        sql.lease.run(id, free ?? next, toText(owner), replica);
      }
      const writer = sql.findLease.all(id, replica, toText(owner))[0]?.writer ?? 0;
      const [state] = sql.findWriter.all(id, writer);
      if (!state) throw conflict();
      return toWriter(writer, state);
    },

    returnWriter(room, { writer, owner, holder, last }) {
      return sql.giveBack.run(roomOf(room).id, writer, toText(owner), holder, last) > 0;
    },

    saveSnapshot(room, snapshot) {
      sql.putSnapshot.run(roomOf(room).id, snapshot.seq, snapshot.bytes);
    },

    rebirth(room, position, { schemaVersion, bytes }) {
      const { id, epoch, head } = roomOf(room);
      if (epoch !== position.epoch || head !== position.after) throw conflict();
      sql.raiseEpoch.run(schemaVersion, id);
      sql.dropSnapshot.run(id);
      sql.putSnapshot.run(id, head, bytes);
    },

    keepStreams(parts) {
      for (const { room, run, attempt, number, bytes } of parts) {
        const atWork = sql.isAtWork.all(toText(room), toText(run), attempt)[0];
        if (!atWork) continue;
        if (number === 1) sql.dropStream.run(atWork.room, toText(run));
        sql.putPart.run(atWork.room, toText(run), attempt, number, bytes);
      }
    },

    keptStreams(room) {
      const found = findRoom(room);
      return found ? sql.parts.all(found.id).map((part) => ({ ...part, room, run: fromText(part.run) })) : [];
    },
  };
}

function toWriter(writer: number, { owner, last, fenced, holder }: WriterRow): WriterState {
  return { writer, owner: fromText(owner), last, fenced: fenced !== 0, holder: holder ?? undefined };
}

/** Prepared once for the life of the connection. */
function prepareAll(connection: Connection) {
  return {
    addRoom: connection.prepare(
      'INSERT INTO rooms (name, lineage, epoch, schemaVersion, head) VALUES (?, ?, ?, ?, 0) ON CONFLICT (name) DO NOTHING',
    ),
    findRoom: connection.prepare<RoomRow>('SELECT id, lineage, epoch, schemaVersion, head FROM rooms WHERE name = ?'),
    raiseEpoch: connection.prepare('UPDATE rooms SET epoch = epoch + 1, schemaVersion = ? WHERE id = ?'),
    setHead: connection.prepare('UPDATE rooms SET head = ? WHERE id = ?'),
    addEntry: connection.prepare('INSERT INTO log (room, seq, bytes) VALUES (?, ?, ?)'),
    entries: connection.prepare<LogEntry>('SELECT seq, bytes FROM log WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?'),
    addMark: connection.prepare(
      'INSERT INTO marks (room, replica, counter, seq, refusal) VALUES (?, ?, ?, ?, ?) ON CONFLICT (room, replica, counter) DO NOTHING',
    ),
    findMark: connection.prepare<{ readonly seq: number; readonly refusal: string | null }>(
      'SELECT seq, refusal FROM marks WHERE room = ? AND replica = ? AND counter = ?',
    ),
    lastMark: connection.prepare<{ readonly last: number | null }>('SELECT max(counter) AS last FROM marks WHERE room = ? AND replica = ?'),
    findWriter: connection.prepare<WriterRow>('SELECT owner, last, fenced, holder FROM writers WHERE room = ? AND writer = ?'),
    putWriter: connection.prepare(
      `INSERT INTO writers (room, writer, owner, last, fenced) VALUES (?, ?, ?, ?, 0)
       ON CONFLICT (room, writer) DO UPDATE SET last = excluded.last`,
    ),
    fence: connection.prepare(
      `INSERT INTO writers (room, writer, owner, last, fenced) VALUES (?, ?, ?, 0, 1)
       ON CONFLICT (room, writer) DO UPDATE SET fenced = 1 WHERE owner = excluded.owner`,
    ),
    findLease: connection.prepare<{ readonly writer: number }>(
      'SELECT writer FROM writers WHERE room = ? AND holder = ? AND owner = ? AND fenced = 0 ORDER BY writer LIMIT 1',
    ),
    findFree: connection.prepare<{ readonly writer: number }>(
      'SELECT writer FROM writers WHERE room = ? AND holder = 0 AND fenced = 0 ORDER BY writer LIMIT 1',
    ),
    lastLeased: connection.prepare<{ readonly writer: number | null }>(
      'SELECT max(writer) AS writer FROM writers WHERE room = ? AND writer < ?',
    ),
    lease: connection.prepare(
      `INSERT INTO writers (room, writer, owner, last, fenced, holder) VALUES (?, ?, ?, 0, 0, ?)
       ON CONFLICT (room, writer) DO UPDATE SET owner = excluded.owner, holder = excluded.holder`,
    ),
    giveBack: connection.prepare(
      'UPDATE writers SET holder = 0 WHERE room = ? AND writer = ? AND owner = ? AND holder = ? AND last = ? AND fenced = 0',
    ),
    dropStream: connection.prepare('DELETE FROM streams WHERE room = ? AND run = ?'),
    // Of the last attempt, whether or not it has given its run back; and says which room it is.
    isAtWork: connection.prepare<{ readonly room: number }>(
      `SELECT room FROM runs JOIN rooms ON rooms.id = runs.room
       WHERE rooms.name = ? AND runs.id = ? AND attempt = ? AND ending IS NULL`,
    ),
    putPart: connection.prepare('INSERT OR REPLACE INTO streams (room, run, attempt, number, bytes) VALUES (?, ?, ?, ?, ?)'),
    parts: connection.prepare<Omit<StreamPart, 'room'>>(
      'SELECT run, attempt, number, bytes FROM streams WHERE room = ? ORDER BY run, number',
    ),
    findSnapshot: connection.prepare<LogEntry>('SELECT seq, bytes FROM snapshots WHERE room = ?'),
    dropSnapshot: connection.prepare('DELETE FROM snapshots WHERE room = ?'),
    putSnapshot: connection.prepare(
      `INSERT INTO snapshots (room, seq, bytes) VALUES (?, ?, ?)
       ON CONFLICT (room) DO UPDATE SET seq = excluded.seq, bytes = excluded.bytes WHERE excluded.seq > seq`,
    ),
  };
}

function conflict(): CotableError {
  return new CotableError('storage.conflict', {});
}
