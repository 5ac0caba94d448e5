import type { JsonValue, StorageValue } from 'cotable';
import * as decoding from 'lib0/decoding';
import * as Y from 'yjs';

/** A record of updates, as it lies on disk. */
export interface Written {
  readonly key: string;
  readonly value: StorageValue;
}

type Cell = readonly [clock: number, value: JsonValue | undefined];

/**
 * What the records on disk say by their clocks alone, put together by hand: of each cell the latest, whatever Yjs made of
 * it. Only for rows that were never deleted. `undefined` when two values have one clock: then either may stand.
 */
export function latestCells(records: readonly Written[]): Readonly<Record<string, unknown>> | undefined {
  const tables = new Map<string, Y.Doc>();
  const updates = records.flatMap(({ value }) => readUpdates(value as Uint8Array));
  for (const { table, bytes } of updates) {
    const doc = tables.get(table) ?? new Y.Doc();
    tables.set(table, doc);
    Y.applyUpdate(doc, bytes);
  }
  const latest = new Map<string, Cell>();
  for (const { table, bytes } of updates) {
    const doc = tables.get(table)!;
    doc.getMap(table);
    for (const struct of Y.decodeUpdate(bytes).structs) {
      if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentAny)) continue;
      const item = Y.getItem(doc.store, struct.id) as Y.Item;
      const [clock, value] = struct.content.arr[0] as [number, JsonValue?];
      const at = `${table}/${item.parentSub}`;
      const other = latest.get(at);
      if (other?.[0] === clock && JSON.stringify(other[1]) !== JSON.stringify(value)) return undefined;
      if (clock > (other?.[0] ?? 0)) latest.set(at, [clock, value]);
    }
  }
  const rows: Record<'things' | 'records', Map<string, Record<string, JsonValue | undefined>>> = { things: new Map(), records: new Map() };
  for (const isField of [false, true]) {
    for (const [at, [clock, value]] of latest) {
      const [table = '', cell = ''] = at.split('/');
      const [key = '', field] = cell.split('\u001f');
      if ((field !== undefined) !== isField) continue;
      const of = rows[table as 'things' | 'records'];
      if (field === undefined) of.set(key, { ...(value as Record<string, JsonValue>) });
      else if (clock > (latest.get(`${table}/${key}`)?.[0] ?? 0)) {
        const row = of.get(key)!;
        if (value === undefined) delete row[field];
        else row[field] = value;
      }
    }
  }
  const sorted = (map: Map<string, unknown>): unknown[] => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { things: sorted(rows.things), records: sorted(rows.records) };
}

function readUpdates(record: Uint8Array): { readonly table: string; readonly bytes: Uint8Array }[] {
  const input = decoding.createDecoder(record);
  return Array.from({ length: decoding.readVarUint(input) }, () => {
    return { table: decoding.readVarString(input), bytes: decoding.readVarUint8Array(input).slice() };
  });
}
