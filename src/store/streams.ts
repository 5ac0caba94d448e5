import { CotableError } from '../errors.ts';
import type { CellBinding, DeltaFrame, StreamEndFrame, StreamFrame, StreamKind, StreamPlace } from '../protocol/stream-frames.ts';
import { extend, nothingSaid, type Said } from '../streams/said.ts';
import { createStreamView, type ShownView } from './stream-view.ts';
import type { TableState } from './table-state.ts';
import type { StreamView } from './types.ts';

/** The streams that this store hears of. What they say is shown in the cells they are bound to and in views, and kept nowhere. */
export interface Streams {
  /** An attempt begins, with nothing said. */
  open(frame: StreamFrame): void;
  /** `false`: something in between is missing, and the place is to be resumed from. */
  extend(frame: DeltaFrame): boolean;
  /** It ends with the entry `seq`: the row takes over in the very change in which that entry is shown. */
  end(frame: StreamEndFrame): void;
  /** The relay has nothing of it. */
  gone(run: string): void;
  /** Those of which more is heard; any other is over. */
  keepOnly(runs: readonly string[]): void;
  /** Closes those that ended with an entry up to `seq`. */
  closeUpTo(seq: number): void;
  /** Tells views what has closed. */
  settle(): void;
  /** Shows all of them in tables that take the place of others. */
  showIn(tables: ReadonlyMap<string, TableState>): void;
  /** How far this store is in what it knows. */
  places(): readonly StreamPlace[];
  place(run: string): StreamPlace;
  /** Runs that are looked at and of which nothing is known. */
  wanted(): readonly string[];
  /** A run as it is looked at. The same object for the same run. */
  view(run: string, kind: StreamKind): StreamView<unknown, unknown>;
  close(): void;
}

interface KnownStream {
  readonly attempt: number;
  readonly cell: CellBinding | undefined;
  /** `undefined`: only its end is known. */
  readonly said: Said | undefined;
  readonly end: StreamEndFrame | undefined;
  /** The entry that ended it is shown. */
  readonly isClosed: boolean;
}

/** A hello names no more places than this: it must stay small. */
const MAX_PLACES = 100;
/** Views of runs that have ended which are remembered, so that whoever asks again gets the same. */
const MAX_ENDED_VIEWS = 100;

export function createStreams(tables: () => ReadonlyMap<string, TableState>): Streams {
  const streams = new Map<string, KnownStream>();
  const views = new Map<string, ShownView>();
  let isClosed = false;

  function textOf({ said, end, isClosed: isOver }: KnownStream): string | undefined {
    return said?.kind === 'text' && !(end && isOver) ? (said.state as string) : undefined;
  }

  function show(stream: KnownStream, text = textOf(stream), where = tables()): void {
    if (stream.cell) where.get(stream.cell.table)?.setStream(stream.cell.key, stream.cell.field, text);
  }

  function hide(run: string, stream: KnownStream): void {
    if (textOf(stream) === undefined) return;
    if (stream.cell) tables().get(stream.cell.table)?.setStream(stream.cell.key, stream.cell.field, undefined);
    // Another stream of the same cell comes to light again.
    for (const [name, other] of streams)
      if (name !== run && isSameCell(other.cell, stream.cell) && textOf(other) !== undefined) show(other);
  }

  function set(run: string, stream: KnownStream): void {
    streams.set(run, stream);
    if (stream.said) views.get(run)?.say(stream.attempt, stream.said);
    if (isWhole(stream)) views.get(run)?.whole(stream.end.attempt);
  }

  /** Nothing more comes of it. */
  function drop(run: string): void {
    const stream = streams.get(run);
    if (!stream) return;
    hide(run, stream);
    streams.delete(run);
  }

  function forgetViews(): void {
    const over = [...views].filter(([, view]) => view.isOver);
    for (const [run] of over.slice(0, -MAX_ENDED_VIEWS)) views.delete(run);
  }

  return {
    open({ run, attempt, kind, cell }) {
      const known = streams.get(run);
      drop(run);
      const end = known?.end?.attempt === attempt ? known.end : undefined;
      const stream = {
        attempt,
        cell,
        said: nothingSaid(kind),
        end,
        isClosed: end !== undefined && known?.isClosed === true,
      };
      set(run, stream);
      if (textOf(stream) !== undefined) show(stream);
    },
    extend(delta) {
      const stream = streams.get(delta.run);
      // It was whole already.
      if (!stream?.said) return true;
      const said = extend(stream.said, delta);
      if (!said) return false;
      const longer = { ...stream, said };
      set(delta.run, longer);
      if (textOf(longer) !== undefined) show(longer);
      if (longer.isClosed && isWhole(longer)) drop(delta.run);
      return true;
    },
    end(frame) {
      const { run, attempt, length } = frame;
      const stream = streams.get(run) ?? { attempt, cell: undefined, said: undefined, isClosed: false };
      // Of the last attempt nothing was for this viewer: what it has is from one before.
      const isPast = stream.said !== undefined && stream.attempt < attempt && length === 0;
      const ending = { ...stream, ...(isPast && { attempt, said: nothingSaid(stream.said.kind) }), end: frame };
      set(run, ending);
      if (ending.isClosed && isWhole(ending)) drop(run);
    },
    gone(run) {
      drop(run);
      views.get(run)?.fail(new CotableError('stream.gone', { run }));
    },
    keepOnly(runs) {
      for (const run of [...streams.keys()]) if (!runs.includes(run)) drop(run);
    },
    closeUpTo(seq) {
      for (const [run, stream] of streams) {
        if (!stream.end || stream.end.seq > seq || stream.isClosed) continue;
        hide(run, stream);
        streams.set(run, { ...stream, isClosed: true });
        views.get(run)?.willClose();
        if (isWhole(stream)) streams.delete(run);
      }
    },
    settle() {
      for (const view of views.values()) view.settle();
      forgetViews();
    },
    showIn(fresh) {
      for (const stream of streams.values()) if (textOf(stream) !== undefined) show(stream, textOf(stream), fresh);
    },
    places: () =>
      [...streams].slice(-MAX_PLACES).map(([run, { attempt, said }]) => ({ run, attempt: said ? attempt : 0, offset: said?.length ?? 0 })),
    place(run) {
      const stream = streams.get(run);
      return { run, attempt: stream?.said ? stream.attempt : 0, offset: stream?.said?.length ?? 0 };
    },
    wanted: () => [...views].flatMap(([run, view]) => (view.isOver || streams.has(run) ? [] : [run])),
    view(run, kind) {
      const known = views.get(run);
      if (known) return known.view;
      const view = createStreamView(run, kind);
      views.set(run, view);
      if (isClosed) view.fail(new CotableError('store.closed', {}));
      const stream = streams.get(run);
      if (stream?.said) view.say(stream.attempt, stream.said);
      if (stream && isWhole(stream)) view.whole(stream.end.attempt);
      if (stream?.isClosed) view.willClose();
      view.settle();
      return view.view;
    },
    close() {
      isClosed = true;
      for (const view of views.values()) view.fail(new CotableError('store.closed', {}));
    },
  };
}

/** Nothing more of it comes. One that ends as an earlier attempt than is known here has lost what came behind that. */
function isWhole(stream: KnownStream): stream is KnownStream & { readonly end: StreamEndFrame } {
  const { attempt, said, end } = stream;
  if (!end) return false;
  return end.length === 0 || attempt > end.attempt || (attempt === end.attempt && said !== undefined && said.length >= end.length);
}

function isSameCell(a: CellBinding | undefined, b: CellBinding | undefined): boolean {
  return a !== undefined && a.table === b?.table && a.key === b.key && a.field === b.field;
}
