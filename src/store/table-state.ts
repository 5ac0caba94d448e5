import { cellsToRow, clockOfRow, type Effect, type RowCells, type RowWrites } from '../doc/cells.ts';
import { foldRow } from '../doc/fold.ts';
import type { TableDoc } from '../doc/table-doc.ts';
import type { RowSource } from '../mutation/overlay.ts';
import { byOrder, type Ordered } from '../mutation/mutation-id.ts';
import { jsonEquals, type JsonObject } from '../util/json.ts';
import type { Change } from './types.ts';

/**
 * One table in memory: what the relay confirmed, what is pending, and the rows that both show together. The view of a
 * row is the fold of its confirmed cells and then of each pending mutation in order, so it is right whatever Yjs made
 * of the same writes, and it never shows the earlier of two values.
 */
export interface TableState extends RowSource {
  readonly doc: TableDoc;
  /** A row as it is shown: with what open streams say in its cells. Mutators find it without (`get`). */
  row(key: string): JsonObject | undefined;
  /** All rows as they are shown, by key. The same object for as long as nothing in them changes. */
  rows(): readonly (readonly [string, JsonObject])[];
  /** Shows text in a cell, in the place of its value; `undefined`: no longer. */
  setStream(key: string, field: string, text: string | undefined): void;
  /** The highest clock of a cell that was confirmed when this state was made. */
  readonly highestClock: number;
  isPending(key: string): boolean;
  pendingKeys(): Iterable<string>;
  /** A mutation of this device that the relay has not judged. Several in a row are in the one order of the device (`byOrder`). */
  addPending(mutation: PendingName, effect: Effect): void;
  dropPending(id: string): void;
  /** A mutation the relay accepted, in the order of its log. */
  confirm(effect: Effect): void;
  /** Takes the rows as the document holds them: where there is no log, it is the truth. */
  take(keys: Iterable<string>): void;
  /** Rows that differ from what they were at the last call, and all rows whose pending state may have changed. */
  takeChanges(): TableChanges;
  /** Puts this state in the place of another: rows that are equal stay the same objects. What differs is what it returns. */
  replace(other: TableState): TableChanges;
}

export interface TableChanges {
  readonly changes: readonly Change<JsonObject>[];
  readonly touched: ReadonlySet<string>;
}

interface PendingName extends Ordered {
  readonly id: string;
}

interface PendingWrites {
  readonly of: PendingName;
  readonly writes: RowWrites;
}

export function createTableState(doc: TableDoc): TableState {
  const confirmed = doc.rows();
  const pending = new Map<string, PendingWrites[]>();
  const rowsOf = new Map<string, readonly string[]>();
  const view = new Map<string, JsonObject>();
  const keys: string[] = [];
  let entries: readonly (readonly [string, JsonObject])[] | undefined;
  /** What open streams say, and the rows below that. */
  const streamed = new Map<string, Map<string, string>>();
  const bases = new Map<string, JsonObject | undefined>();
  let baseEntries: readonly (readonly [string, JsonObject])[] | undefined;
  /** Rows to be worked out again, and what they were when observers last heard. */
  const stale = new Set<string>();
  let touched = new Map<string, JsonObject | undefined>();

  let highestClock = 0;
  for (const [key, cells] of confirmed) {
    highestClock = Math.max(highestClock, clockOfRow(cells));
    const row = cellsToRow(cells);
    if (!row) continue;
    view.set(key, row);
    keys.push(key);
  }
  keys.sort(compare);

  function cells(key: string): RowCells | undefined {
    let folded = confirmed.get(key);
    for (const { writes } of pending.get(key) ?? []) folded = foldRow(folded, writes);
    return folded;
  }

  function touch(key: string): void {
    if (!touched.has(key)) touched.set(key, view.get(key));
    stale.add(key);
  }

  /** Not at each touch: a row that is dropped as pending and confirmed at once must stay the same object. */
  function refresh(): void {
    if (stale.size === 0) return;
    for (const key of stale) {
      const before = view.get(key);
      const after = show(key, cellsToRow(cells(key)));
      if (jsonEquals(before, after)) continue;
      if (!streamed.has(key)) baseEntries = undefined;
      if (!before) keys.splice(position(keys, key), 0, key);
      if (after) view.set(key, after);
      else {
        view.delete(key);
        keys.splice(position(keys, key), 1);
      }
      entries = undefined;
    }
    stale.clear();
  }

  function show(key: string, row: JsonObject | undefined): JsonObject | undefined {
    const texts = streamed.get(key);
    if (!texts) return row;
    if (!bases.has(key) || !jsonEquals(bases.get(key), row)) {
      bases.set(key, row);
      baseEntries = undefined;
    }
    return row && Object.freeze({ ...row, ...Object.fromEntries(texts) });
  }

  function rows(): readonly (readonly [string, JsonObject])[] {
    refresh();
    return (entries ??= Object.freeze(keys.map((key): [string, JsonObject] => [key, view.get(key) ?? {}])));
  }

  return {
    doc,
    highestClock,
    rows,
    cells,
    isPending: (key) => pending.has(key),
    pendingKeys: () => pending.keys(),

    row(key) {
      refresh();
      return view.get(key);
    },

    get(key) {
      refresh();
      return streamed.has(key) ? bases.get(key) : view.get(key);
    },

    entries() {
      if (streamed.size === 0) return rows();
      refresh();
      return (baseEntries ??= Object.freeze(rows().map(([key, row]): [string, JsonObject] => [key, bases.get(key) ?? row])));
    },

    setStream(key, field, text) {
      touch(key);
      const texts = streamed.get(key) ?? new Map<string, string>();
      if (text === undefined) texts.delete(field);
      else texts.set(field, text);
      if (texts.size > 0) streamed.set(key, texts);
      else {
        streamed.delete(key);
        bases.delete(key);
      }
    },

    ownClock(key) {
      let clock = 0;
      for (const { writes } of pending.get(key) ?? []) {
        clock = Math.max(clock, writes.row?.[0] ?? 0);
        for (const cell of writes.fields.values()) clock = Math.max(clock, cell[0]);
      }
      return clock;
    },

    addPending(mutation, effect) {
      for (const [key, writes] of effect) {
        const list = pending.get(key) ?? [];
        // By more than the clock: two tabs may have one, and what the first of them wrote stands in both.
        list.splice(list.findLastIndex((earlier) => byOrder(earlier.of, mutation) <= 0) + 1, 0, { of: mutation, writes });
        pending.set(key, list);
        touch(key);
      }
      rowsOf.set(mutation.id, [...effect.keys()]);
    },

    dropPending(id) {
      for (const key of rowsOf.get(id) ?? []) {
        const rest = (pending.get(key) ?? []).filter((entry) => entry.of.id !== id);
        if (rest.length > 0) pending.set(key, rest);
        else pending.delete(key);
        touch(key);
      }
      rowsOf.delete(id);
    },

    confirm(effect) {
      for (const [key, writes] of effect) {
        touch(key);
        const folded = foldRow(confirmed.get(key), writes);
        if (folded) confirmed.set(key, folded);
      }
    },

    take(keys) {
      for (const key of keys) {
        touch(key);
        const row = doc.row(key);
        if (row) confirmed.set(key, row);
        else confirmed.delete(key);
      }
    },

    takeChanges() {
      refresh();
      const taken = touched;
      const changes: Change<JsonObject>[] = [];
      for (const [key, before] of taken) {
        const after = view.get(key);
        if (before !== after) changes.push({ key, before, after });
      }
      if (taken.size > 0) touched = new Map();
      return { changes, touched: new Set(taken.keys()) };
    },

    replace(other) {
      refresh();
      const changes: Change<JsonObject>[] = [];
      const gone = new Map(other.rows());
      for (const [key, after] of view) {
        const before = gone.get(key);
        gone.delete(key);
        if (before && jsonEquals(before, after)) view.set(key, before);
        else changes.push({ key, before, after });
      }
      for (const [key, before] of gone) changes.push({ key, before, after: undefined });
      entries = changes.length === 0 ? other.rows() : undefined;
      baseEntries = undefined;
      touched = new Map();
      return { changes, touched: new Set([...pending.keys(), ...other.pendingKeys(), ...changes.map((change) => change.key)]) };
    },
  };
}

/** UTF-16 code units: the same order everywhere, whatever the locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function position(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
