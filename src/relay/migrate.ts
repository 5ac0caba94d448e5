import { CotableError, isCotableError, type Issue } from '../errors.ts';
import { cellsToRow, clockOfRow, NO_FIELDS, type Cell, type RowCells } from '../doc/cells.ts';
import type { TableSchema } from '../schema/table.ts';
import { validate } from '../schema/validator.ts';
import { isJsonObject, jsonEquals, ownField, toFrozenJson, type JsonObject, type JsonValue } from '../util/json.ts';

/** From which version of the schema to which. */
export interface Versions {
  readonly from: number;
  readonly to: number;
}

/**
 * Takes the rows of one table to a later version of the schema: its migrations of the versions between, one after the
 * other, on each row that lives. Clocks stay, by field, so that a later edit of a device that was away still wins. A row
 * that a migration leaves out is deleted, by the highest clock it had. Throws `schema.migrationFailed`.
 */
export function* migrateRows(
  table: string,
  schema: TableSchema<unknown, unknown>,
  rows: Iterable<readonly [string, RowCells]>,
  { from, to }: Versions,
): Generator<readonly [key: string, cells: RowCells]> {
  const steps = Object.keys(schema.migrations)
    .map(Number)
    .filter((version) => version > from && version <= to)
    .sort((a, b) => a - b);

  function migrate(key: string, before: JsonObject): JsonObject | undefined {
    let row = before;
    for (const version of steps) {
      const fail = (issues: readonly Issue[], cause?: unknown): never => {
        throw new CotableError('schema.migrationFailed', { version, table, key, issues }, { cause });
      };
      try {
        const made = schema.migrations[version]?.(row);
        if (made === undefined) return undefined;
        row = toRow(made, fail);
        if (version === steps.at(-1)) row = fit(row, fail);
      } catch (error) {
        if (isCotableError(error, 'schema.migrationFailed')) throw error;
        return fail([], error);
      }
    }
    return row;
  }

  /** What the validator fills in is filled in, and what it does not know stays. */
  function fit(row: JsonObject, fail: (issues: readonly Issue[]) => never): JsonObject {
    const valid = toRow(validate(schema.row, row, `tables.${table}.schema`, fail), fail);
    return Object.freeze({ ...row, ...valid });
  }

  for (const [key, cells] of rows) {
    const before = steps.length > 0 ? cellsToRow(cells) : undefined;
    if (!before) {
      yield [key, cells];
      continue;
    }
    const after = migrate(key, before);
    if (!after) yield [key, { row: [clockOfRow(cells)], fields: NO_FIELDS }];
    else yield [key, jsonEquals(before, after) ? cells : toCells(cells, after)];
  }
}

/** Fields that were edited stay cells of their own, with their clocks; all others are of the row cell. */
function toCells(before: RowCells, after: JsonObject): RowCells {
  const created: Record<string, JsonValue> = {};
  for (const [field, value] of Object.entries(after)) if (value !== undefined && !before.fields.has(field)) created[field] = value;
  const fields = new Map<string, Cell>();
  for (const [field, [clock]] of before.fields) {
    const value = ownField(after, field);
    fields.set(field, value === undefined ? [clock] : [clock, value]);
  }
  return { row: [before.row[0], created], fields };
}

function toRow(made: unknown, fail: (issues: readonly Issue[]) => never): JsonObject {
  const row = toFrozenJson(made, ({ path, found }) => fail([{ message: `it is ${found}, which is not plain JSON`, path: [...path] }]));
  return isJsonObject(row) ? row : fail([{ message: 'a row is an object', path: [] }]);
}
