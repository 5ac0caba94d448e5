import { cellKey, type Cell, type RowCells } from './cells.ts';
import { createTableDoc } from './table-doc.ts';

/**
 * The rows that a fresh document begins with: all that live, and deletes whose clock is not below `deletesSince`. A
 * delete is kept for a device that was away: what it made before the delete must not bring the row back.
 */
export function* rowsToKeep(
  rows: Iterable<readonly [string, RowCells]>,
  deletesSince: number,
): Generator<readonly [key: string, cells: RowCells]> {
  for (const entry of rows) {
    const [, { row }] = entry;
    if (row.length === 2 || row[0] >= deletesSince) yield entry;
  }
}

/** How many items a fresh document of these rows has. */
export function countCells(rows: Iterable<readonly [string, RowCells]>): number {
  let count = 0;
  for (const [, { fields }] of rows) count += 1 + fields.size;
  return count;
}

/** A fresh document that holds just these cells, as one update of `writer`, who has not written into it yet. */
export function encodeRows(table: string, writer: number, rows: Iterable<readonly [string, RowCells]>): Uint8Array {
  const cells = new Map<string, Cell>();
  for (const [key, { row, fields }] of rows) {
    cells.set(cellKey(key), row);
    for (const [field, cell] of fields) cells.set(cellKey(key, field), cell);
  }
  const doc = createTableDoc(table, writer);
  return doc.write(cells) ?? doc.encode();
}
