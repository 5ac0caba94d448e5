/** What store and relay say to each other about streams. */

/** What a stream's pieces are to each other: `text` adds up, `items` are a list, of `value` the latest counts. */
export type StreamKind = 'text' | 'items' | 'value';

/** How far a viewer is: `offset` counts in what it was sent of that attempt. Attempt 0: it has nothing, and wants to hear of the run. */
export interface StreamPlace {
  readonly run: string;
  readonly attempt: number;
  readonly offset: number;
}

/** Asks for a stream from a place on; without an open one, for its end. Also again, on each new link. */
export interface ResumeFrame extends StreamPlace {
  readonly type: 'resume';
}

/** The cell of a table that shows a stream while it is open. */
export interface CellBinding {
  readonly table: string;
  readonly key: string;
  readonly field: string;
}

/** The streams of which the store hears more: others that it knows are over. */
export interface StreamsFrame {
  readonly type: 'streams';
  readonly runs: readonly string[];
}

/** An attempt's stream, empty, in the place of what was known of that run. What it said follows in deltas. */
export interface StreamFrame {
  readonly type: 'stream';
  readonly run: string;
  readonly attempt: number;
  readonly kind: StreamKind;
  readonly cell: CellBinding | undefined;
}

/** `body`: text as it is, a list of items or a value as JSON text. Never more than fits into a frame. */
export interface DeltaFrame {
  readonly type: 'delta';
  readonly run: string;
  readonly offset: number;
  readonly body: string;
}

/**
 * The stream is over, `length` is all that this viewer gets of that attempt; what of it has not come yet still does. A `length`
 * that is more than there ever was says that `stream` follows and all of it again, with its end, or, where `streams` does not
 * name it, that the relay has forgotten it. What it said is, or is not, in the rows from the entry `seq` on.
 */
export interface StreamEndFrame {
  readonly type: 'streamEnd';
  readonly run: string;
  readonly attempt: number;
  readonly seq: number;
  readonly length: number;
}

/** Nothing is known of the stream of this run, and nothing will be. */
export interface StreamGoneFrame {
  readonly type: 'streamGone';
  readonly run: string;
}
