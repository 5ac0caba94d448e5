import { CotableError } from '../errors.ts';
import type { JsonObject } from '../util/json.ts';
import type { AnySchema } from './schema.ts';
import { validate } from './validator.ts';

/** Throws `row.invalid` when a row that stands in a table, or is to stand there, does not fit the table's schema. */
export function checkRow(schema: AnySchema, table: string, key: string, row: JsonObject): void {
  const shape = schema.tables[table];
  if (!shape) return;
  validate(shape.schema.row, row, `tables.${table}.schema`, (issues) => {
    throw new CotableError('row.invalid', { table, key, issues });
  });
}
