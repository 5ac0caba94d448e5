import type { JsonObject } from '../util/json.ts';
import type { Validator } from './validator.ts';

/** How rows of a table look, and how older rows become newer ones. Made by {@link table}. */
export interface TableSchema<Row, RowInput = Row> {
  readonly row: Validator<RowInput, Row>;
  /** Lists of fields that queries should find rows by. */
  readonly indexes: readonly (readonly string[])[];
  /**
   * By the schema version they lead to: what a row of the version before becomes. They run on the relay, for every row that
   * lives, one version after the other. A row that comes back `undefined` is deleted. What one throws, or gives that is no
   * plain JSON object or at last does not fit `row`, is `schema.migrationFailed`: then the room does not open.
   */
  readonly migrations: Readonly<Record<number, (row: JsonObject) => JsonObject | undefined>>;
}

/**
 * Declares a table by the validator of its rows. A row is a plain JSON object; what the validator gives must be valid
 * input again, because rows are validated whenever they are written.
 */
export function table<Row extends JsonObject, RowInput extends JsonObject = Row>(
  row: Validator<RowInput, Row>,
  options: {
    readonly indexes?: readonly (readonly (keyof Row & string)[])[];
    readonly migrations?: Readonly<Record<number, (row: JsonObject) => JsonObject | undefined>>;
  } = {},
): TableSchema<Row, RowInput> {
  return { row, indexes: options.indexes ?? [], migrations: options.migrations ?? {} };
}
