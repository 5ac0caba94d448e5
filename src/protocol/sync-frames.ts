/**
 * What a link says about room events. A link of a store, behind its welcome, may say all of it but `enter`; one that carries
 * events alone begins with that.
 *
 *   client                                  relay
 *       enter  ------------------------------>            first frame of a link without tables
 *              <------------------------------  entered   (a grant may come before)
 *       listen ------------------------------>            events of this room are wanted, or no more
 *       sync   ------------------------------>            a request
 *              <------------------------------  taken     it is kept: it will be answered, on any link of this user's
 *              <------------------------------  stream, delta, streamEnd   what its handlers emit, see `stream-frames.ts`
 *              <------------------------------  event     to each who listens, behind what was streamed to it
 *              <------------------------------  answer    to who asked, behind the events
 *       drop   ------------------------------>            nobody waits for the answer: the handler's signal is aborted
 */
import type { StreamPlace } from './stream-frames.ts';

/** First frame of a link that carries no tables. */
export interface EnterFrame {
  readonly type: 'enter';
  readonly room: string;
  readonly userId: string;
  readonly token: string;
  /** How far it is in the streams that it knows to be open. */
  readonly streams: readonly StreamPlace[];
}

export interface EnteredFrame {
  readonly type: 'entered';
  /** Who the relay takes it for; empty: nobody that is known, who may ask for what needs no login. */
  readonly userId: string;
  /** Names this link and no other. */
  readonly sessionId: string;
  /** The relay's wall clock in milliseconds. */
  readonly now: number;
}

export interface ListenFrame {
  readonly type: 'listen';
  readonly isOn: boolean;
}

/** A request: a run of the handler of `name` and `version` in the room of this link. The same `request` of a user is the same run. */
export interface SyncFrame {
  readonly type: 'sync';
  /** The idempotency key; unique among the user's requests. */
  readonly request: string;
  readonly name: string;
  readonly version: string;
  /** JSON text. */
  readonly data: string;
  readonly ignoreSelf: boolean;
  readonly requireReceivers: boolean;
  /** In which language a message is wanted, as `Accept-Language` says it; empty: any. */
  readonly locale: string;
}

export interface DropFrame {
  readonly type: 'drop';
  readonly request: string;
}

/** Sent again whenever the request is. */
export interface TakenFrame {
  readonly type: 'taken';
  readonly request: string;
  /** Its run, and so its stream: `name/version~...`. Pieces are `[to, piece]`, `to` 0: for `onStream` of who asked, 1: for callbacks. */
  readonly run: string;
}

export interface AnswerFrame {
  readonly type: 'answer';
  readonly request: string;
  /** JSON text of a `SyncResponse`. */
  readonly body: string;
}

/** A delivery. */
export interface EventFrame {
  readonly type: 'event';
  /** Begins with `name/version~`. */
  readonly run: string;
  /** JSON texts. */
  readonly serverOutput: string;
  readonly clientOutput: string;
}

export type SyncClientFrame = EnterFrame | ListenFrame | SyncFrame | DropFrame;
export type SyncRelayFrame = EnteredFrame | TakenFrame | AnswerFrame | EventFrame;
export type AnySyncFrame = SyncClientFrame | SyncRelayFrame;
