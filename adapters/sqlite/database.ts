import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { CotableError } from '../../src/errors.ts';
import { type Connection, type DriverName, openConnection } from './driver.ts';
import { RUN_TABLES } from './run-tables.ts';

/** The layout below, kept in the file's `user_version`. */
const FORMAT = 7;
/** The oldest layout that is made into the present one: what each step from there on changes. */
const OLDEST = 6;
const STEPS = ['ALTER TABLE runs ADD COLUMN session TEXT;'];

/**
 * The log is a plain table under an index, not one WITHOUT ROWID: entries of all rooms then append to one page, and
 * large ones do not each take an overflow page (59k against 16k inserts a second at 1,500 bytes, half the file).
 */
const TABLES = `
  CREATE TABLE rooms (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    lineage INTEGER NOT NULL, epoch INTEGER NOT NULL, schemaVersion INTEGER NOT NULL, head INTEGER NOT NULL
  );
  CREATE TABLE log (
    room INTEGER NOT NULL, seq INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (room, seq)
  );
  CREATE TABLE marks (
    room INTEGER NOT NULL, replica INTEGER NOT NULL, counter INTEGER NOT NULL, seq INTEGER, refusal TEXT,
    PRIMARY KEY (room, replica, counter)
  ) WITHOUT ROWID;
  CREATE TABLE writers (
    room INTEGER NOT NULL, writer INTEGER NOT NULL, owner TEXT NOT NULL, last INTEGER NOT NULL, fenced INTEGER NOT NULL,
    holder INTEGER, PRIMARY KEY (room, writer)
  ) WITHOUT ROWID;
  CREATE INDEX leases ON writers (room, holder) WHERE holder IS NOT NULL;
  CREATE TABLE streams (
    room INTEGER NOT NULL, run TEXT NOT NULL, attempt INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (room, run, number)
  );
  CREATE TABLE snapshots (room INTEGER PRIMARY KEY, seq INTEGER NOT NULL, bytes BLOB NOT NULL);
`;

/**
 * Opens the file with all that durability needs, making it and its folder when they are not there. Throws
 * `storage.unavailable` for a file of a newer format or of something else, and the driver's own errors.
 */
export function openDatabase(driver: DriverName, file: string, busyTimeoutMs: number): Connection {
  if (file !== ':memory:') makeFolder(dirname(file));
  const connection = openConnection(driver, file);
  try {
    connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    connection.exec('PRAGMA journal_mode = WAL');
    // Drivers differ in their default, and the next weaker level loses acknowledged commits in a power cut.
    connection.exec('PRAGMA synchronous = FULL');
    // Only macOS heeds these: its plain fsync leaves data in the cache of the drive.
    connection.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON');
    makeTables(connection, file);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Any string as text that a driver gives back as it was: U+0000 and lone surrogates are escaped, and so one to one. */
export function toText(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

export function fromText(text: string): string {
  return JSON.parse(`"${text}"`) as string;
}

function makeTables(connection: Connection, file: string): void {
  if (formatOf(connection) === FORMAT) return;
  connection.exec('BEGIN IMMEDIATE');
  try {
    // Read again: another process may have made the tables since.
    const format = formatOf(connection);
    if (format > FORMAT) {
      throw refusal(`${file} was written by a newer version of Cotable (format ${format}, this version knows ${FORMAT})`);
    }
    if (format !== 0 && format < OLDEST) throw refusal(`${file} was written before the first release of Cotable (format ${format})`);
    if (format >= OLDEST) connection.exec(`${STEPS.slice(format - OLDEST).join(' ')} PRAGMA user_version = ${FORMAT};`);
    else {
      const [first] = connection.prepare<{ readonly name: string }>('SELECT name FROM sqlite_master LIMIT 1').all();
      if (first !== undefined) throw refusal(`${file} is a database of something else: it has a table '${first.name}'`);
      connection.exec(`${TABLES} ${RUN_TABLES} PRAGMA user_version = ${FORMAT};`);
    }
    connection.exec('COMMIT');
  } catch (error) {
    connection.exec('ROLLBACK');
    throw error;
  }
}

function formatOf(connection: Connection): number {
  return connection.prepare<{ readonly user_version: number }>('PRAGMA user_version').all()[0]?.user_version ?? 0;
}

function refusal(reason: string): CotableError {
  return new CotableError('storage.unavailable', { reason });
}

/** SQLite makes the file's own entry durable; the entries of new folders above it would be lost in a power cut. */
function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true });
  if (first === undefined || process.platform === 'win32') return;
  for (let at = folder; at.length >= dirname(first).length; at = dirname(at)) {
    const handle = openSync(at, 'r');
    fsyncSync(handle);
    closeSync(handle);
    if (at === dirname(at)) return;
  }
}
