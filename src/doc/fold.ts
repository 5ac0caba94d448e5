import { NO_FIELDS, type Cell, type RowCells, type RowWrites } from './cells.ts';

/**
 * The truth about a row: what stands after one more mutation. The later clock wins each cell; on equal clocks what stood
 * before stays. A deleted row has no field cells, so edits that raced with the delete are lost, however late their
 * clocks; a later row cell brings the row back. Folding the log of a room in its order gives the same cells everywhere.
 * Returns `before` itself when nothing changed, `undefined` while the row was never created.
 */
export function foldRow(before: RowCells | undefined, writes: RowWrites): RowCells | undefined {
  const row = later(before?.row, writes.row);
  if (!row) return undefined;
  if (row.length === 1) return before && row === before.row ? before : { row, fields: NO_FIELDS };

  const standing = before?.fields ?? NO_FIELDS;
  let fields: Map<string, Cell> | undefined;
  if (!before || row !== before.row) {
    fields = new Map();
    for (const [field, cell] of standing) if (cell[0] > row[0]) fields.set(field, cell);
  }
  for (const [field, cell] of writes.fields) {
    if (cell[0] <= row[0] || later(standing.get(field), cell) !== cell) continue;
    fields ??= new Map(standing);
    fields.set(field, cell);
  }
  return fields ? { row, fields: fields.size > 0 ? fields : NO_FIELDS } : before;
}

function later(standing: Cell | undefined, incoming: Cell | undefined): Cell | undefined {
  if (!standing || !incoming) return standing ?? incoming;
  return incoming[0] > standing[0] ? incoming : standing;
}
