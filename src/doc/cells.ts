import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';
import { isWellFormed } from '../util/text.ts';

/**
 * How a table lies in its Y.Map (one document per room and table):
 *
 *     key  rowId               [clock, row]     the row as it was created
 *                              [clock]          the row was deleted
 *     key  rowId U+001F field  [clock, value]   a later edit of that field
 *                              [clock]          the field was taken away
 */
export type Cell = readonly [clock: number] | readonly [clock: number, value: JsonValue];

const SEPARATOR = '\u001f';
const MAX_KEY_LENGTH = 512;

/** All that is kept of one row. Field cells are there only while the row lives and only when later than its row cell. */
export interface RowCells {
  readonly row: Cell;
  readonly fields: ReadonlyMap<string, Cell>;
}

/** The cells one mutation writes to one row. */
export interface RowWrites {
  readonly row: Cell | undefined;
  readonly fields: ReadonlyMap<string, Cell>;
}

/** The cells one mutation writes to one table, by row. */
export type Effect = ReadonlyMap<string, RowWrites>;

/** What a mutation changes in a table's Y.Map: cells written, and cells taken out (`undefined`). */
export type CellChanges = ReadonlyMap<string, Cell | undefined>;

export const NO_FIELDS: ReadonlyMap<string, Cell> = new Map();

export function cellKey(row: string, field?: string): string {
  return field === undefined ? row : row + SEPARATOR + field;
}

export function splitCellKey(key: string): { readonly row: string; readonly field: string | undefined } {
  const at = key.indexOf(SEPARATOR);
  return at < 0 ? { row: key, field: undefined } : { row: key.slice(0, at), field: key.slice(at + 1) };
}

/** What is wrong with a row's key, if anything. */
export function rowKeyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string') return `it is a ${typeof key}`;
  if (key.length < 1 || key.length > MAX_KEY_LENGTH) return `it has ${key.length} characters`;
  if (!isWellFormed(key)) return 'it holds half of a surrogate pair';
  return key.includes(SEPARATOR) ? 'it holds U+001F' : undefined;
}

/** What is wrong with a field's name, if anything. It is a part of its cell's key. */
export function fieldProblem(field: string): string | undefined {
  return field.length > MAX_KEY_LENGTH ? `a key of ${field.length} characters` : undefined;
}

/** An effect while it is put together. */
export type EffectBuilder = Map<string, { row: Cell | undefined; fields: Map<string, Cell> }>;

export function addCell(effect: EffectBuilder, key: string, cell: Cell): void {
  const { row, field } = splitCellKey(key);
  let writes = effect.get(row);
  if (!writes) effect.set(row, (writes = { row: undefined, fields: new Map() }));
  if (field === undefined) writes.row = cell;
  else writes.fields.set(field, cell);
}

/** The cells of a change, by row. Cells taken out are no part of an effect: the fold does that. */
export function changesToEffect(changes: CellChanges): Effect {
  const effect: EffectBuilder = new Map();
  for (const [key, cell] of changes) if (cell) addCell(effect, key, cell);
  return effect;
}

/** The highest clock of a row's cells; 0 while there are none. */
export function clockOfRow(cells: RowCells | undefined): number {
  let clock = cells?.row[0] ?? 0;
  for (const cell of cells?.fields.values() ?? []) clock = Math.max(clock, cell[0]);
  return clock;
}

/** The row that cells show: frozen, or `undefined` while there is none. The row cell's own object when no field was edited. */
export function cellsToRow(cells: RowCells | undefined): JsonObject | undefined {
  const created = cells && cells.row.length === 2 ? cells.row[1] : undefined;
  if (!cells || !isJsonObject(created)) return undefined;
  if (cells.fields.size === 0) return created;
  const row: Record<string, JsonValue | undefined> = { ...created };
  for (const [field, cell] of cells.fields) {
    if (cell.length === 2) row[field] = cell[1];
    else delete row[field];
  }
  return Object.freeze(row);
}
