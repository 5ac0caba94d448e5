import type { StoredRunStatus } from '../../src/ports/run-storage.ts';
import type { Connection } from './driver.ts';
import { STATUS } from './run-tables.ts';

export interface RunRow {
  readonly position: number;
  readonly room: string;
  readonly id: string;
  readonly name: string;
  readonly input: string;
  readonly userId: string;
  readonly session: string | null;
  readonly queuedAt: number;
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly lane: string | null;
  readonly digest: string | null;
  readonly attempt: number;
  readonly tries: number;
  readonly interruptions: number;
  readonly canceled: number;
  readonly owner: string | null;
  readonly leaseUntil: number;
  readonly joins: number | null;
  readonly error: string | null;
  readonly ending: string | null;
  readonly endedAt: number;
  readonly seq: number;
  readonly status: StoredRunStatus;
}
export type Named = { readonly room: string; readonly id: string };

export const RUNS = `SELECT rooms.name AS room, runs.position, runs.id, runs.name, runs.input, runs.userId, runs.session, runs.queuedAt,
    runs.notBefore, runs.expiresAt, runs.lane, runs.digest, runs.attempt, runs.tries, runs.interruptions, runs.canceled, runs.owner, runs.leaseUntil,
    runs.joins, runs.error, runs.ending, runs.endedAt, runs.seq, ${STATUS} AS status
  FROM runs JOIN rooms ON rooms.id = runs.room`;
const NAMES = 'SELECT rooms.name AS room, runs.id, runs.position FROM runs JOIN rooms ON rooms.id = runs.room';
const DUE = `SELECT rooms.name AS room, runs.id, runs.name, runs.userId FROM runs JOIN rooms ON rooms.id = runs.room
  WHERE runs.ending IS NULL AND runs.owner IS NULL AND runs.parked = 0`;
const WORK = `SELECT 1 FROM runs WHERE ending IS NULL AND parked <> 2`;
const PRESSING = '(owner IS NOT NULL OR notBefore <= ? OR tries + interruptions > 0) LIMIT 1';

/** Prepared once for the life of the connection. */
export function prepareRunStatements(connection: Connection) {
  const OWN = 'owner IS NOT NULL AND ending IS NULL';
  const FREE = 'owner = NULL, leaseUntil = 0';
  return {
    add: connection.prepare(
      `INSERT INTO runs (room, id, name, input, userId, queuedAt, notBefore, expiresAt, lane, digest, session)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (room, id) DO NOTHING`,
    ),
    replace: connection.prepare(
      `UPDATE runs SET name = ?, input = ?, userId = ?, queuedAt = ?, notBefore = ?, expiresAt = ?, lane = ?, digest = ?, session = ?,
       tries = 0, interruptions = 0, canceled = 0, parked = 0, joins = NULL, error = NULL, ending = NULL, endedAt = 0, seq = 0 WHERE position = ?`,
    ),
    run: connection.prepare<RunRow>(`${RUNS} WHERE runs.room = ? AND runs.id = ?`),
    at: connection.prepare<RunRow>(`${RUNS} WHERE runs.position = ?`),
    holders: connection.prepare<Named & { readonly position: number }>(
      `${NAMES} WHERE runs.name = ? AND runs.lane = ? AND runs.ending IS NULL AND runs.owner IS NOT NULL AND runs.canceled = 0 AND runs.position <> ?
       ORDER BY runs.position`,
    ),
    // Those that wait for another one's end, and those that are to end, take no place.
    ahead: connection.prepare<{ readonly position: number }>(
      `SELECT position FROM runs WHERE name = ? AND lane = ? AND ending IS NULL AND owner IS NULL AND parked <> 2 AND joins IS NULL
       AND canceled = 0 AND notBefore <= ? AND (notBefore < ? OR (notBefore = ? AND position < ?)) ORDER BY notBefore, position LIMIT ?`,
    ),
    putAside: connection.prepare('UPDATE runs SET parked = 1, joins = ? WHERE position = ?'),
    park: connection.prepare('UPDATE runs SET parked = ? WHERE position = ?'),
    unpark: connection.prepare('UPDATE runs SET parked = 0 WHERE ending IS NULL AND parked <> 0 AND joins IS NULL'),
    claim: connection.prepare(
      `UPDATE runs SET attempt = attempt + 1, owner = ?, leaseUntil = ?, interruptions = interruptions + ?, parked = 0, joins = NULL
       WHERE position = ?`,
    ),
    renew: connection.prepare<Named & { readonly attempt: number }>(
      `UPDATE runs SET leaseUntil = ? WHERE owner = ? AND ${OWN}
       RETURNING id, attempt, (SELECT rooms.name FROM rooms WHERE rooms.id = runs.room) AS room`,
    ),
    release: connection.prepare(
      `UPDATE runs SET notBefore = ?, tries = tries + ?, interruptions = interruptions + ?, error = coalesce(?, error), parked = ?, ${FREE}
       WHERE position = ?`,
    ),
    end: connection.prepare(`UPDATE runs SET ending = ?, endedAt = ?, seq = ?, ${FREE} WHERE position = ?`),
    cancel: connection.prepare(
      `UPDATE runs SET canceled = 1, notBefore = min(notBefore, ?), parked = 0, joins = NULL, ${FREE} WHERE position = ?`,
    ),
    redrive: connection.prepare(
      `UPDATE runs SET ending = NULL, endedAt = 0, seq = 0, canceled = 0, tries = 0, interruptions = 0, notBefore = ?, expiresAt = 0,
       parked = 0, joins = NULL WHERE position = ?`,
    ),
    freeLapsed: connection.prepare(`UPDATE runs SET interruptions = interruptions + 1, ${FREE} WHERE ${OWN} AND leaseUntil <= ?`),
    freeOwn: connection.prepare(`UPDATE runs SET interruptions = interruptions + 1, ${FREE} WHERE ${OWN} AND owner = ?`),
    firstUser: connection.prepare<{ readonly userId: string | null }>(
      'SELECT min(userId) AS userId FROM runs WHERE ending IS NULL AND owner IS NULL AND parked = 0',
    ),
    nextUser: connection.prepare<{ readonly userId: string | null }>(
      'SELECT min(userId) AS userId FROM runs WHERE ending IS NULL AND owner IS NULL AND parked = 0 AND userId > ?',
    ),
    dueOfUser: connection.prepare<Named & { readonly name: string; readonly userId: string }>(
      `${DUE} AND runs.userId = ? AND runs.notBefore <= ? ORDER BY runs.notBefore, runs.position LIMIT ?`,
    ),
    dueOfLane: connection.prepare<Named & { readonly name: string; readonly userId: string }>(
      `${DUE} AND runs.name = ? AND runs.lane = ? AND runs.notBefore <= ? ORDER BY runs.notBefore, runs.position LIMIT ?`,
    ),
    nextFree: connection.prepare<{ readonly at: number | null }>(
      'SELECT min(notBefore) AS at FROM runs WHERE ending IS NULL AND owner IS NULL AND parked = 0 AND notBefore > ?',
    ),
    nextLapse: connection.prepare<{ readonly at: number | null }>(`SELECT min(leaseUntil) AS at FROM runs WHERE ${OWN} AND owner <> ?`),
    work: connection.prepare(`${WORK} AND ${PRESSING}`),
    workOfRoom: connection.prepare(`${WORK} AND room = ? AND ${PRESSING}`),
    step: connection.prepare<{ readonly value: string }>('SELECT value FROM steps WHERE run = ? AND key = ?'),
    keepStep: connection.prepare(
      'INSERT INTO steps (run, key, value) VALUES (?, ?, ?) ON CONFLICT (run, key) DO UPDATE SET value = excluded.value',
    ),
    dropSteps: connection.prepare('DELETE FROM steps WHERE run = ?'),
    purge: connection.prepare(
      `DELETE FROM runs WHERE position IN (SELECT position FROM runs WHERE ending IS NOT NULL AND endedAt < ? ORDER BY endedAt LIMIT ?)`,
    ),
  };
}
