/**
 * Folds the raw log of a room, sharing no code with the product: it reads the bytes itself, resolves keys from Yjs items
 * by hand and keeps rows in plain records. It looks at what mutations wrote and not at what the relay repaired.
 * `rebirths`: with which documents new epochs began, behind which entry: later entries are written on their items.
 * `pending`: cells that a device writes on top of it, in their order.
 */
import * as decoding from 'lib0/decoding';
import { decodeUpdate } from 'yjs';

export function foldLog(entries, rebirths = [], pending = []) {
  const state = {};
  const keyOfItem = new Map();
  const mutations = [];
  entries.forEach(({ seq, bytes }, index) => {
    if (seq !== index + 1) throw new Error(`entry ${index + 1} of the log is numbered ${seq}`);
    for (const { after, bytes: documents } of rebirths) if (after === index) learnItems(documents, keyOfItem);
    const input = decoding.createDecoder(bytes);
    if (decoding.readUint8(input) !== 0) throw new Error('the log holds something else than entries');
    const head = Array.from({ length: 6 }, () => decoding.readVarUint(input));
    mutations.push(`${head[1]}.${head[2]}`);
    for (const isRepair of [false, true]) {
      const count = decoding.readVarUint(input);
      for (let n = 0; n < count; n++) {
        const table = decoding.readVarString(input);
        const cells = readCells(table, decoding.readVarUint8Array(input).slice(), keyOfItem);
        if (!isRepair) for (const [key, cell] of cells) apply((state[table] ??= {}), key, cell);
      }
    }
  });
  for (const { table, key, cell } of pending) apply((state[table] ??= {}), key, cell);
  const rows = {};
  const cells = {};
  for (const [table, found] of Object.entries(state)) {
    rows[table] = {};
    cells[table] = {};
    for (const [key, row] of Object.entries(found)) {
      cells[table][key] = row.value ? [row.clock, row.value] : [row.clock];
      for (const [field, edit] of Object.entries(row.edits))
        cells[table][`${key}\u001f${field}`] = edit.there ? [edit.clock, edit.value] : [edit.clock];
      if (!row.value) continue;
      const shown = { ...row.value };
      for (const [field, edit] of Object.entries(row.edits)) {
        if (edit.there) shown[field] = edit.value;
        else delete shown[field];
      }
      rows[table][key] = shown;
    }
  }
  return { rows, cells, mutations };
}

function learnItems(documents, keyOfItem) {
  const input = decoding.createDecoder(documents);
  for (let left = decoding.readVarUint(input); left > 0; left--) {
    readCells(decoding.readVarString(input), decoding.readVarUint8Array(input).slice(), keyOfItem);
  }
}

function readCells(table, update, keyOfItem) {
  const cells = [];
  for (const item of decodeUpdate(update).structs) {
    const name = ({ client, clock }) => `${table} ${client} ${clock}`;
    const key = item.parentSub ?? (item.origin ? keyOfItem.get(name(item.origin)) : undefined);
    const cell = item.content.arr?.[0];
    if (key === undefined || !Array.isArray(cell)) throw new Error('the log holds an item that is no cell');
    keyOfItem.set(name(item.id), key);
    cells.push([key, cell]);
  }
  return cells;
}

function apply(table, cellKey, cell) {
  const [key = '', field] = cellKey.split('\u001f');
  const clock = Number(cell[0]);
  const row = table[key];
  if (field === undefined) {
    if (row && row.clock >= clock) return;
    const value = cell.length > 1 ? cell[1] : null;
    const edits = {};
    if (value) for (const [name, edit] of Object.entries(row?.edits ?? {})) if (edit.clock > clock) edits[name] = edit;
    table[key] = { clock, value, edits };
    return;
  }
  if (!row?.value || clock <= row.clock) return;
  const standing = row.edits[field];
  if (!standing || standing.clock < clock) row.edits[field] = { clock, there: cell.length > 1, value: cell[1] };
}
