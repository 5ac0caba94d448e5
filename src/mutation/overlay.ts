import { CotableError } from '../errors.ts';
import { cellKey, clockOfRow, fieldProblem, rowKeyProblem, type Cell, type CellChanges, type RowCells } from '../doc/cells.ts';
import type { TableReader, TableWriter } from '../schema/mutators.ts';
import type { TableSchema } from '../schema/table.ts';
import { validate } from '../schema/validator.ts';
import { isJsonObject, jsonEquals, ownField, toFrozenJson, type JsonObject, type JsonPath, type JsonValue } from '../util/json.ts';

/** The rows that a mutator finds: a table of a store's view, or of a relay's room. */
export interface RowSource {
  /** The row, the same object for as long as it does not change. */
  get(key: string): JsonObject | undefined;
  /** What the row is made of. */
  cells(key: string): RowCells | undefined;
  /** All rows by key. The same object for as long as nothing in the table changes. */
  entries(): readonly (readonly [string, JsonObject])[];
  /** The highest clock that what is pending on this device gave a cell of the row; 0 for none. */
  ownClock(key: string): number;
}

/** A row as it was, and as a mutation leaves it. */
export interface RowChange {
  readonly key: string;
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
}

/** One table as one mutation sees and changes it: reads find its own writes, and nobody else does until they are applied. */
export interface TableOverlay extends TableWriter<JsonObject, JsonObject> {
  readonly source: RowSource;
  /** Whether something that was read is not so any more. */
  isStale(): boolean;
  /** The rows that were read or written; `undefined`: all of them. */
  used(): ReadonlySet<string> | undefined;
  /** The rows that it leaves other than they were. */
  rowChanges(): readonly RowChange[];
  /** A clock above what was read, and above this device's own pending cells that are written over. */
  floor(): number;
  /**
   * The cells to write at `clock`, each once; fields that stay equal are left out, and so is what an older clock could
   * not change anyway.
   */
  changes(clock: number): CellChanges;
}

/** `assertOpen` throws once the mutation is over: what is written after that would be lost without a word. */
export function createTableOverlay(
  table: string,
  schema: TableSchema<unknown, unknown>,
  source: RowSource,
  assertOpen: () => void,
): TableOverlay {
  const written = new Map<string, JsonObject | undefined>();
  /** Rows that were deleted and set again: made anew, not edited. */
  const replaced = new Set<string>();
  const read = new Map<string, JsonObject | undefined>();
  let listed: readonly (readonly [string, JsonObject])[] | undefined;

  function get(key: string): JsonObject | undefined {
    assertOpen();
    checkKey(table, key);
    if (written.has(key)) return written.get(key);
    // What was read once stays so: others may write while a mutator awaits, and it must not see half of that.
    if (!read.has(key)) read.set(key, source.get(key));
    return read.get(key);
  }

  /** `untouched`: fields of the present row that are to be left alone. */
  function write(key: string, row: JsonObject, untouched?: JsonObject): void {
    const problem = (path: JsonPath): string => [table, key, ...path].join('.');
    const refuse = (issues: CotableError<'row.invalid'>['params']['issues']): never => {
      throw new CotableError('row.invalid', { table, key, issues });
    };
    const frozen = toFrozenJson(validate(schema.row, row, `tables.${table}.schema`, refuse), ({ path, found }) => {
      throw new CotableError('value.notJson', { path: problem(path), found });
    });
    if (!isJsonObject(frozen)) return refuse([{ message: 'a row is an object', path: [] }]);
    for (const field of Object.keys(frozen)) {
      const found = fieldProblem(field);
      if (found !== undefined) throw new CotableError('value.notJson', { path: problem([field.slice(0, 32)]), found });
    }
    if (written.has(key) && written.get(key) === undefined) replaced.add(key);
    written.set(key, untouched ? withUnknown(untouched, frozen) : frozen);
  }

  const reader: TableReader<JsonObject> = {
    get,
    has: (key) => get(key) !== undefined,
    list: () => reader.entries().map(([, row]) => row),
    entries() {
      assertOpen();
      listed ??= source.entries();
      if (written.size === 0) return listed;
      const rows = new Map(listed);
      for (const [key, row] of written) {
        if (row) rows.set(key, row);
        else rows.delete(key);
      }
      return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
    },
    first: () => reader.entries()[0]?.[1],
    count: () => reader.entries().length,
  };

  return {
    ...reader,
    source,
    set(key, row) {
      assertOpen();
      checkKey(table, key);
      write(key, row);
    },
    update(key, fields) {
      const row = get(key);
      if (!row) throw new CotableError('row.notFound', { table, key });
      const untouched = Object.fromEntries(Object.entries(row).filter(([field]) => !Object.hasOwn(fields, field)));
      write(key, { ...row, ...fields }, untouched);
    },
    delete(key) {
      if (!get(key)) return false;
      written.set(key, undefined);
      return true;
    },
    isStale() {
      if (listed && source.entries() !== listed) return true;
      for (const [key, row] of read) if (source.get(key) !== row) return true;
      return false;
    },
    rowChanges: () =>
      [...written]
        .map(([key, after]) => ({ key, before: source.get(key), after }))
        .filter(({ before, after }) => !jsonEquals(before, after)),
    used: () => (listed ? undefined : new Set([...read.keys(), ...written.keys()])),
    floor() {
      let floor = 0;
      for (const key of listed ? listed.map(([key]) => key) : []) floor = Math.max(floor, clockOfRow(source.cells(key)));
      for (const key of read.keys()) floor = Math.max(floor, clockOfRow(source.cells(key)));
      for (const key of written.keys()) floor = Math.max(floor, source.ownClock(key));
      return floor;
    },
    changes(clock) {
      const changes = new Map<string, Cell | undefined>();
      for (const [key, row] of written) {
        const cells = source.cells(key);
        for (const [name, cell] of rowChanges(source.get(key), row, replaced.has(key), cells, clock)) {
          changes.set(cellKey(key, name), cell);
        }
      }
      return changes;
    },
  };
}

/** The cells that make one row another, by field; the row cell itself is `undefined`. */
function* rowChanges(
  before: JsonObject | undefined,
  after: JsonObject | undefined,
  anew: boolean,
  cells: RowCells | undefined,
  clock: number,
): Generator<[field: string | undefined, cell: Cell | undefined]> {
  if (jsonEquals(before, after)) return;
  const rowClock = cells?.row[0] ?? 0;
  if (!before || !after || anew) {
    if (rowClock >= clock) return;
    yield [undefined, after ? [clock, after] : [clock]];
    for (const field of cells?.fields.keys() ?? []) yield [field, undefined];
    return;
  }
  for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const value = ownField(after, field);
    const standing = cells?.fields.get(field)?.[0] ?? rowClock;
    if (standing < clock && !jsonEquals(ownField(before, field), value)) yield [field, value === undefined ? [clock] : [clock, value]];
  }
}

/**
 * What a validator does not know it may leave out: a newer version of the app has written it perhaps, and an edit of other
 * fields must not take it away. `before` was valid when it was written, so what is missing now is unknown here.
 */
function withUnknown(before: JsonObject, valid: JsonObject): JsonObject {
  const row: Record<string, JsonValue | undefined> = { ...valid };
  for (const [field, value] of Object.entries(before)) {
    const made = ownField(valid, field);
    if (made === undefined) row[field] = value;
    else if (made !== value && isJsonObject(made) && isJsonObject(value)) row[field] = withUnknown(value, made);
  }
  return Object.freeze(row);
}

function checkKey(table: string, key: string): void {
  const problem = rowKeyProblem(key);
  if (problem !== undefined) throw new CotableError('row.invalidKey', { table, problem });
}
