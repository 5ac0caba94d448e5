import { countCells, encodeRows, rowsToKeep } from '../doc/compact.ts';
import { RELAY_WRITER } from '../ports/writer-ids.ts';
import { encodeTables } from '../protocol/records.ts';
import type { AnySchema } from '../schema/schema.ts';
import { msToClock } from '../util/hlc.ts';
import type { Compaction } from './limits.ts';
import { migrateRows, type Versions } from './migrate.ts';
import type { RoomTable } from './room-table.ts';

type Tables = ReadonlyMap<string, RoomTable>;

/**
 * Whether a table's document has become much larger than what it is worth. What fresh documents would hold counts as
 * its worth, deletes that are kept included: so fresh documents never are.
 */
export function isOutgrown(tables: Tables, { ratio, minItems, writers, keepDeletesMs }: Compaction): boolean {
  const weights = [...tables.values()].map((table) => ({ table, ...table.weight() }));
  if (weights.some((weight) => weight.writers > Math.max(2, writers))) return true;
  const isMore = (items: number, cells: number): boolean => items > minItems + Math.max(1, ratio) * cells;
  // Counting cells goes through all rows, so it is left for when it matters: each row that lives is one at least.
  const heavy = weights.filter(({ table, items }) => isMore(items, table.count));
  if (heavy.length === 0) return false;
  const since = deletesSince(tables, keepDeletesMs);
  return heavy.some(({ table, items }) => isMore(items, countCells(rowsToKeep(table.cells, since))));
}

/** Fresh documents of the rows as they stand, migrated where the schema's version has risen: the snapshot of a new epoch. */
export function makeAfresh(schema: AnySchema, tables: Tables, keepDeletesMs: number, versions: Versions): Uint8Array {
  const since = deletesSince(tables, keepDeletesMs);
  return encodeTables(
    [...tables].map(([name, { cells }]) => {
      const shape = schema.tables[name];
      const rows = shape ? migrateRows(name, shape.schema, cells, versions) : cells;
      return { table: name, bytes: encodeRows(name, RELAY_WRITER, rowsToKeep(rows, since)) };
    }),
  );
}

/** By the highest clock in the room, and not by the relay's own, which may have been set back. */
function deletesSince(tables: Tables, keepDeletesMs: number): number {
  const highest = Math.max(0, ...[...tables.values()].map((table) => table.highestClock()));
  return highest - msToClock(keepDeletesMs);
}
