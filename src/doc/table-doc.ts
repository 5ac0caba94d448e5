import * as Y from 'yjs';
import { jsonEquals } from '../util/json.ts';
import type { CellChanges, Cell, Effect, RowCells } from './cells.ts';
import { addCell, cellKey, splitCellKey, type EffectBuilder } from './cells.ts';
import { foldRow } from './fold.ts';
import { askForMissing, hearSync, mendDoc, type Heard } from './table-sync.ts';
import { effectOfUpdate, gateUpdate, toCell, type UpdateEffect } from './update.ts';

/** One table's Yjs document: makes and takes updates. What a row is worth is decided by the fold, not here. */
export interface TableDoc {
  /**
   * Applies updates that were accepted, in order, as one transaction. Throws when the document is not well afterwards:
   * then it is of no use any more. What it lacks it waits for when it `mayLack` that.
   */
  apply(updates: readonly Uint8Array[], mayLack?: boolean): void;
  /** What an accepted update writes, after it was applied. */
  effectOf(update: Uint8Array): Effect;
  /** Checks a stranger's update (see `gateUpdate`), before it is applied. */
  gate(writer: number, clock: number, update: Uint8Array, limit?: number): UpdateEffect;
  /** How many structs and deleted items writing these would make at most: a gate takes `MAX_ITEMS` a frame. */
  countItems(changes: CellChanges): number;
  /** Writes cells and takes cells out in one transaction. Returns the update, `undefined` when nothing had to change. */
  write(changes: CellChanges): Uint8Array | undefined;
  /** Writes as another one from now on: nobody else may, and all that was ever written as it has to be here. */
  become(writer: number): void;
  /** The cell that Yjs holds at a key. */
  cell(key: string): Cell | undefined;
  /** All cells, by row. Only for a document in which no edit is older than its row: one that a relay has folded. */
  rows(): Map<string, RowCells>;
  /** One row. The first call reads the whole document. */
  row(key: string): RowCells | undefined;
  /** What the document costs, whatever it is worth. */
  weight(): Weight;
  /** The whole document as one update. */
  encode(): Uint8Array;
  /** The question to other replicas for what this one lacks. */
  ask(): Uint8Array;
  /** Takes what another replica asks or answers. It is trusted. */
  hear(message: Uint8Array): Heard;
  /** What is to be written again once these updates, which nobody had heard together, were applied. See `mendDoc`. */
  mend(updates: readonly Uint8Array[]): Pick<Heard, 'repairs' | 'clock'>;
}

/** Grows with all that was ever written. */
export interface Weight {
  /** Structs: about the number of cells ever written, those without value included. */
  readonly items: number;
  /** Writers ever seen. */
  readonly writers: number;
}

/** Of whoever only reads. Yjs takes another client id for a document when it applies what was written as its own one. */
const NOBODY = 0;

/** An empty document that writes as `writer`. The id must never be in use by two documents that are alive. */
export function createTableDoc(table: string, writer: number): TableDoc {
  let writesAs = writer;
  // Nobody asks for its name, and a random one costs more than the document.
  const doc = new Y.Doc({ guid: table });
  doc.clientID = NOBODY;
  const map = doc.getMap<unknown>(table);
  let written: Uint8Array | undefined;
  const listen = (update: Uint8Array): void => {
    written = update;
  };
  /** The cell keys of each row, once somebody has asked for one. */
  let keysOf: Map<string, Set<string>> | undefined;

  function index(keys: Iterable<string>): void {
    for (const key of keys) {
      const { row } = splitCellKey(key);
      const known = keysOf?.get(row);
      if (known) known.add(key);
      else keysOf?.set(row, new Set([key]));
    }
  }

  function cell(key: string): Cell | undefined {
    const value = map.get(key);
    return value === undefined ? undefined : toCell(value, splitCellKey(key).field === undefined);
  }

  /** What Yjs has swallowed, put aside or made besides would break this document, or those of others, later on. */
  function assertWell(mayLack: boolean): void {
    const { store, share } = doc;
    if (!mayLack && (store.pendingStructs || store.pendingDs))
      throw new Error(`an update of table ${table} stands on items that are not there`);
    if (doc._transactionCleanups.length > 0) throw new Error(`a transaction of table ${table} did not end`);
    if (share.size !== 1) throw new Error(`an update of table ${table} made a map of another name`);
  }

  return {
    cell,
    effectOf: (update) => effectOfUpdate(doc, table, update),
    gate: (writerOfUpdate, clock, update, limit) => gateUpdate(doc, table, writerOfUpdate, clock, update, limit),
    encode: () => Y.encodeStateAsUpdate(doc),

    apply(updates, mayLack = false) {
      Y.transact(doc, () => {
        for (const update of updates) Y.applyUpdate(doc, update);
      });
      assertWell(mayLack);
    },

    countItems(changes) {
      let items = 0;
      for (const [key, next] of changes) items += (next ? 1 : 0) + (map.has(key) ? 1 : 0);
      return items;
    },

    write(changes) {
      written = undefined;
      // The only listener there ever is, since one that throws would mute the document for good; and only for this one
      // transaction, since with a listener Yjs encodes again whatever is applied.
      doc.on('update', listen);
      doc.clientID = writesAs;
      try {
        Y.transact(doc, () => {
          for (const [key, next] of changes) {
            if (next) map.set(key, next);
            else map.delete(key);
          }
        });
      } finally {
        doc.clientID = NOBODY;
        doc.off('update', listen);
      }
      index(changes.keys());
      return written;
    },

    become(writer) {
      writesAs = writer;
    },

    row(key) {
      if (!keysOf) {
        keysOf = new Map();
        index(map.keys());
      }
      const builder: EffectBuilder = new Map();
      for (const name of keysOf.get(key) ?? []) {
        const value = cell(name);
        if (value) addCell(builder, name, value);
      }
      const writes = builder.get(key);
      return writes && foldRow(undefined, writes);
    },

    weight() {
      let items = 0;
      for (const structs of doc.store.clients.values()) items += structs.length;
      return { items, writers: doc.store.clients.size };
    },

    ask: () => askForMissing(doc),
    mend: (updates) => mendDoc(doc, table, updates),
    hear(message) {
      const heard = hearSync(doc, table, message);
      index(heard.touched);
      return heard;
    },

    rows() {
      const builder: EffectBuilder = new Map();
      for (const key of map.keys()) {
        const value = cell(key);
        if (value) addCell(builder, key, value);
      }
      const rows = new Map<string, RowCells>();
      for (const [row, writes] of builder) {
        const cells = foldRow(undefined, writes);
        if (cells) rows.set(row, cells);
      }
      return rows;
    },
  };
}

/**
 * What must be written so that a document holds just what the fold of the touched rows says: later values that Yjs let
 * lose are written again, cells of rows that are gone are taken out.
 */
export function repairsFor(
  doc: TableDoc,
  touched: ReadonlySet<string>,
  rows: ReadonlyMap<string, RowCells>,
  before: ReadonlyMap<string, RowCells | undefined>,
): CellChanges {
  const changes = new Map<string, Cell | undefined>();
  const keys = new Set(touched);
  for (const [row, cells] of before) for (const field of cells?.fields.keys() ?? []) keys.add(cellKey(row, field));
  for (const key of keys) {
    const { row, field } = splitCellKey(key);
    const cells = rows.get(row);
    const wanted = field === undefined ? cells?.row : cells?.fields.get(field);
    const standing = doc.cell(key);
    if (wanted !== standing && !sameCell(wanted, standing)) changes.set(key, wanted);
  }
  return changes;
}

function sameCell(a: Cell | undefined, b: Cell | undefined): boolean {
  if (!a || !b) return a === b;
  // Two mutations may carry one clock, so the values count too.
  return a[0] === b[0] && a.length === b.length && jsonEquals(a[1], b[1]);
}
