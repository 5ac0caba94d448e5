import type { CellBinding, DeltaFrame, StreamFrame } from '../protocol/frames.ts';
import { extendText } from '../streams/text.ts';
import type { TableState } from './table-state.ts';

/** The open streams that this store knows of. What they say is shown in the cells they are bound to, and kept nowhere. */
export interface Streams {
  open(frame: StreamFrame): void;
  /** `false`: something in between is missing. */
  extend(frame: DeltaFrame): boolean;
  /** It ends with the entry `seq`: the row takes over in the very change in which that entry is shown. */
  end(run: string, seq: number): void;
  /** Those that are open; any other is over. */
  keepOnly(runs: readonly string[]): void;
  /** Closes those that ended with an entry up to `seq`. */
  closeUpTo(seq: number): void;
  /** Shows all of them in tables that take the place of others. */
  showIn(tables: ReadonlyMap<string, TableState>): void;
}

interface OpenStream {
  readonly cell: CellBinding | undefined;
  readonly text: string;
  readonly end: number | undefined;
}

export function createStreams(tables: () => ReadonlyMap<string, TableState>): Streams {
  const streams = new Map<string, OpenStream>();

  function show({ cell }: OpenStream, text: string | undefined, where = tables()): void {
    if (cell) where.get(cell.table)?.setStream(cell.key, cell.field, text);
  }

  function close(run: string): void {
    const stream = streams.get(run);
    if (!stream) return;
    streams.delete(run);
    show(stream, undefined);
    // Another stream of the same cell comes to light again.
    for (const other of streams.values()) if (isSameCell(other.cell, stream.cell)) show(other, other.text);
  }

  return {
    open({ run, cell, text }) {
      close(run);
      const stream = { cell, text, end: undefined };
      streams.set(run, stream);
      show(stream, text);
    },
    extend(frame) {
      const stream = streams.get(frame.run);
      const text = stream && extendText(stream.text, frame);
      if (!stream || text === undefined) return false;
      streams.set(frame.run, { ...stream, text });
      show(stream, text);
      return true;
    },
    end(run, seq) {
      const stream = streams.get(run);
      if (stream) streams.set(run, { ...stream, end: seq });
    },
    keepOnly(runs) {
      for (const run of streams.keys()) if (!runs.includes(run)) close(run);
    },
    closeUpTo(seq) {
      for (const [run, { end }] of streams) if (end !== undefined && end <= seq) close(run);
    },
    showIn(fresh) {
      for (const stream of streams.values()) show(stream, stream.text, fresh);
    },
  };
}

function isSameCell(a: CellBinding | undefined, b: CellBinding | undefined): boolean {
  return a !== undefined && a.table === b?.table && a.key === b.key && a.field === b.field;
}
