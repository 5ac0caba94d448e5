import type { RowChange } from '../access/access.ts';
import { cellsToRow, changesToEffect, clockOfRow, type CellChanges, type Effect, type RowCells } from '../doc/cells.ts';
import { foldRow } from '../doc/fold.ts';
import { createTableDoc, repairsFor, type TableDoc, type Weight } from '../doc/table-doc.ts';
import type { UpdateEffect } from '../doc/update.ts';
import type { RowSource } from '../mutation/overlay.ts';
import { jsonEquals, type JsonObject } from '../util/json.ts';

/** One table of a room: its document, and the fold of all that was accepted. Both hold the same after every call. */
export interface RoomTable {
  readonly source: RowSource;
  /** The rows that an effect would change. */
  changes(effect: Effect): readonly RowChange[];
  /** Checks a stranger's update; throws `protocol.gateRefused`. Nothing is changed. */
  judge(writer: number, clock: number, update: Uint8Array, limit: number): UpdateEffect;
  /** Applies a judged update and folds it. Returns what had to be written so that the document equals the fold. */
  accept(update: Uint8Array, judged: UpdateEffect): Uint8Array | undefined;
  /** Writes as the relay itself. */
  write(changes: CellChanges): Uint8Array | undefined;
  encode(): Uint8Array;
  weight(): Weight;
  /** How many rows there are. */
  readonly count: number;
  /** The fold of all rows, deleted ones too as far as they are remembered. */
  readonly cells: ReadonlyMap<string, RowCells>;
  /** The highest clock of any cell. */
  highestClock(): number;
}

export function createRoomTable(name: string, writer: number, updates: readonly Uint8Array[]): RoomTable {
  const doc: TableDoc = createTableDoc(name, writer);
  doc.apply(updates);
  const cells = doc.rows();
  const rows = new Map<string, JsonObject>();
  for (const key of cells.keys()) refresh(key);
  let entries: readonly (readonly [string, JsonObject])[] | undefined;

  function refresh(key: string): void {
    const row = cellsToRow(cells.get(key));
    if (row) rows.set(key, row);
    else rows.delete(key);
  }

  /** Returns what stood before in each row. */
  function fold(effect: Effect): Map<string, RowCells | undefined> {
    const before = new Map<string, RowCells | undefined>();
    for (const [key, writes] of effect) {
      const standing = cells.get(key);
      before.set(key, standing);
      const folded = foldRow(standing, writes);
      if (!folded || folded === standing) continue;
      cells.set(key, folded);
      refresh(key);
      entries = undefined;
    }
    return before;
  }

  return {
    source: {
      get: (key) => rows.get(key),
      cells: (key) => cells.get(key),
      ownClock: () => 0,
      entries: () => (entries ??= [...rows].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    judge: doc.gate,
    changes(effect) {
      const changes: RowChange[] = [];
      for (const [key, writes] of effect) {
        const before = rows.get(key);
        const after = cellsToRow(foldRow(cells.get(key), writes));
        if (!jsonEquals(before, after)) changes.push({ key, before, after });
      }
      return changes;
    },
    accept(update, judged) {
      doc.apply([update]);
      const before = fold(judged.effect);
      const repairs = repairsFor(doc, judged.touched, cells, before);
      return repairs.size > 0 ? doc.write(repairs) : undefined;
    },
    write(changes) {
      const update = doc.write(changes);
      fold(changesToEffect(changes));
      return update;
    },
    encode: doc.encode,
    weight: doc.weight,
    get count() {
      return rows.size;
    },
    cells,
    highestClock() {
      let highest = 0;
      for (const row of cells.values()) highest = Math.max(highest, clockOfRow(row));
      return highest;
    },
  };
}
