import { cellKey, type Cell } from '../doc/cells.ts';
import { createTableDoc } from '../doc/table-doc.ts';

/** What the gate says that an update does: cells it writes, by key, and all keys it touches. */
export interface GateVerdict {
  readonly writes: ReadonlyMap<string, Cell>;
  readonly touched: ReadonlySet<string>;
}

/** The gate and the document behind it, by themselves: for fuzzing and measuring. */
export interface GateProbe {
  /** Throws `protocol.gateRefused` with the rule that is broken. Changes nothing. */
  judge(writer: number, clock: number, update: Uint8Array): GateVerdict;
  /** Applies without asking. Throws when the document is not well afterwards: then it is of no use any more. */
  apply(update: Uint8Array): void;
}

/** An empty table. No other document may write as `writer`. */
export function createGateProbe(table: string, writer = 1): GateProbe {
  const doc = createTableDoc(table, writer);
  return {
    apply: (update) => doc.apply([update]),
    judge(by, clock, update) {
      const { effect, touched } = doc.gate(by, clock, update);
      const writes = new Map<string, Cell>();
      for (const [row, { row: cell, fields }] of effect) {
        if (cell) writes.set(row, cell);
        for (const [field, edited] of fields) writes.set(cellKey(row, field), edited);
      }
      return { writes, touched };
    },
  };
}
