import { createRequire, isBuiltin } from 'node:module';
import { isAnyArrayBuffer } from 'node:util/types';
import { CotableError } from '../../src/errors.ts';

/** What SQLite holds. Numbers are whole and within ±(2^53 - 1); text is without U+0000, where both drivers cut it off. */
export type Cell = null | number | string | Uint8Array;

export interface Statement<Row> {
  /** Answers how many rows it changed. */
  run(...values: readonly Cell[]): number;
  /** Reads to the end, so that no read is left open behind a later commit. The shape of `Row` is believed, not checked. */
  all(...values: readonly Cell[]): readonly Row[];
}

/** One SQLite connection, the same over every driver. Errors are the driver's: see `storageError`. */
export interface Connection {
  exec(sql: string): void;
  prepare<Row = unknown>(sql: string): Statement<Row>;
  close(): void;
}

export type DriverName = 'node:sqlite' | 'libsql';

interface RawDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): { run(...values: unknown[]): { readonly changes: number | bigint }; all(...values: unknown[]): unknown[] };
  close(): unknown;
}
type RawConstructor = new (file: string) => RawDatabase;

const require = createRequire(import.meta.url);
const EMPTY = new Uint8Array(1).subarray(1);

/** The driver this process has, Node's own first. Loads none. Throws `storage.unavailable` when there is none. */
export function chooseDriver(has: (driver: DriverName) => boolean = isThere): DriverName {
  if (has('node:sqlite')) return 'node:sqlite';
  if (has('libsql')) return 'libsql';
  throw new CotableError('storage.unavailable', {
    reason: `Node ${process.versions.node} has no SQLite of its own; run 'npm install libsql', or use Node 22.13 or later`,
  });
}

/** Opens a file that is there, or makes it; its folder must exist. */
export function openConnection(driver: DriverName, file: string): Connection {
  const isLibsql = driver === 'libsql';
  const database = new (isLibsql ? loadLibsql() : loadNodeSqlite())(file);
  // libsql takes a lone array or object for the list of values, and a lone Uint8Array aborts the whole process.
  const pass = (values: readonly Cell[]): unknown[] => (isLibsql ? [values] : values.map(withoutNull));
  return {
    exec: (sql) => void database.exec(sql),
    prepare: <Row>(sql: string): Statement<Row> => {
      const statement = database.prepare(sql);
      return {
        run: (...values) => Number(statement.run(...pass(values)).changes),
        all: (...values) => {
          const rows = statement.all(...pass(values)) as Record<string, unknown>[];
          return (isLibsql ? rows.map(withBytes) : rows) as readonly Row[];
        },
      };
    },
    close: () => void database.close(),
  };
}

function isThere(driver: DriverName): boolean {
  if (driver === 'libsql') {
    try {
      return require.resolve('libsql') !== '';
    } catch {
      return false;
    }
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  // From 22.5 to 22.12 it is there only behind a flag.
  return isBuiltin('node:sqlite') && (major > 22 || (major === 22 && minor >= 13));
}

function loadLibsql(): RawConstructor {
  return require('libsql') as RawConstructor;
}

/** Node 22 warns of its experimental SQLite at the first load: nothing the user of an app can act upon. */
function loadNodeSqlite(): RawConstructor {
  const warn = process.emitWarning;
  process.emitWarning = () => undefined;
  try {
    return (require('node:sqlite') as { readonly DatabaseSync: RawConstructor }).DatabaseSync;
  } finally {
    process.emitWarning = warn;
  }
}

/** Node 22 takes an empty blob for NULL when no memory is behind it, as after a `postMessage`. */
function withoutNull(value: Cell): Cell {
  return value instanceof Uint8Array && value.length === 0 ? EMPTY : value;
}

/** libsql answers blobs as bare ArrayBuffers. */
function withBytes(row: Record<string, unknown>): Record<string, unknown> {
  for (const [column, value] of Object.entries(row)) if (isAnyArrayBuffer(value)) row[column] = new Uint8Array(value);
  return row;
}
