import * as decoding from 'lib0/decoding';
import { decodeUpdate } from 'yjs';

/**
 * Folds the raw log of a room, sharing no code with what it checks: it reads the bytes itself, resolves keys from Yjs
 * items by hand and keeps rows in plain records. It looks at what mutations wrote and not at what the relay repaired.
 */
export interface LogFold {
  /** Takes the next entry. Throws when it is not what a log holds. */
  add(bytes: Uint8Array): { readonly seq: number; readonly mutation: string; readonly writer: number; readonly number: number };
  /**
   * Learns which items a new epoch begins with: entries are written on them. What they hold is no news, and not looked at;
   * where the schema's version has risen, the fold migrates its own rows.
   */
  reborn(documents: Uint8Array, from: number, to: number): void;
  /** The rows of a table, by key. */
  rows(table: string): Record<string, Record<string, unknown>>;
}

interface Row {
  clock: number;
  value: Record<string, unknown> | undefined;
  edits: Record<string, { clock: number; isThere: boolean; value: unknown }>;
}

interface ItemId {
  readonly client: number;
  readonly clock: number;
}

/** What a row of a table becomes in another version of the schema; `undefined`: it is deleted. */
export type Migrations = (
  table: string,
  row: Readonly<Record<string, unknown>>,
  from: number,
  to: number,
) => Readonly<Record<string, unknown>> | undefined;

export function createLogFold(migrations: Migrations): LogFold {
  const state = new Map<string, Map<string, Row>>();
  const keyOfItem = new Map<string, string>();

  function cells(table: string, update: Uint8Array): [key: string, cell: readonly unknown[]][] {
    return decodeUpdate(update).structs.map((struct) => {
      const item = struct as unknown as { id: ItemId; origin: ItemId | null; parentSub: string | null; content: { arr?: unknown[] } };
      const nameOf = ({ client, clock }: ItemId): string => `${table} ${client} ${clock}`;
      const key = item.parentSub ?? (item.origin ? keyOfItem.get(nameOf(item.origin)) : undefined);
      const cell = item.content.arr?.[0];
      if (key === undefined || !Array.isArray(cell)) throw new Error('the log holds an item that is no cell');
      keyOfItem.set(nameOf(item.id), key);
      return [key, cell];
    });
  }

  return {
    add(bytes) {
      const input = decoding.createDecoder(bytes);
      if (decoding.readUint8(input) !== 0) throw new Error('the log holds something else than entries');
      const [seq = 0, replica = 0, counter = 0, writer = 0, number = 0] = Array.from({ length: 6 }, () => decoding.readVarUint(input));
      for (const isRepair of [false, true]) {
        for (let left = decoding.readVarUint(input); left > 0; left--) {
          const table = decoding.readVarString(input);
          const found = cells(table, decoding.readVarUint8Array(input).slice());
          let rows = state.get(table);
          if (!rows) state.set(table, (rows = new Map()));
          if (!isRepair) for (const [key, cell] of found) apply(rows, key, cell);
        }
      }
      return { seq, mutation: `${replica.toString(36)}-${counter}`, writer, number };
    },
    reborn(documents, from, to) {
      // The clocks of all writers begin anew.
      keyOfItem.clear();
      for (const [table, rows] of to > from ? state : [])
        for (const row of rows.values()) migrate(row, (values) => migrations(table, values, from, to));
      const input = decoding.createDecoder(documents);
      for (let left = decoding.readVarUint(input); left > 0; left--) {
        cells(decoding.readVarString(input), decoding.readVarUint8Array(input).slice());
      }
    },
    rows(table) {
      const shown: Record<string, Record<string, unknown>> = {};
      for (const [key, row] of state.get(table) ?? []) {
        const values = valuesOf(row);
        if (values) shown[key] = values;
      }
      return shown;
    },
  };
}

function valuesOf({ value, edits }: Row): Record<string, unknown> | undefined {
  if (!value) return undefined;
  const values = { ...value };
  for (const [field, edit] of Object.entries(edits)) {
    if (edit.isThere) values[field] = edit.value;
    else delete values[field];
  }
  return values;
}

/** Fields that were edited keep their clocks, all others that of the row; a row that goes has the highest of them. */
function migrate(row: Row, become: (values: Record<string, unknown>) => Readonly<Record<string, unknown>> | undefined): void {
  const before = valuesOf(row);
  if (!before) return;
  const after = become(before);
  if (!after) {
    row.clock = Math.max(row.clock, ...Object.values(row.edits).map(({ clock }) => clock));
    row.value = undefined;
    row.edits = {};
    return;
  }
  row.value = { ...after };
  for (const [field, edit] of Object.entries(row.edits))
    row.edits[field] = { clock: edit.clock, isThere: field in after, value: after[field] };
}

function apply(rows: Map<string, Row>, cellKey: string, cell: readonly unknown[]): void {
  const [key = '', field] = cellKey.split('\u001f');
  const clock = Number(cell[0]);
  const isThere = cell.length > 1;
  const row = rows.get(key);
  if (field === undefined) {
    if (row && row.clock >= clock) return;
    const edits: Row['edits'] = {};
    if (isThere) for (const [name, edit] of Object.entries(row?.edits ?? {})) if (edit.clock > clock) edits[name] = edit;
    rows.set(key, { clock, value: isThere ? (cell[1] as Record<string, unknown>) : undefined, edits });
    return;
  }
  if (!row?.value || clock <= row.clock) return;
  const standing = row.edits[field];
  if (!standing || standing.clock < clock) row.edits[field] = { clock, isThere, value: cell[1] };
}
