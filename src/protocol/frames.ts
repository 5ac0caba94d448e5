/**
 * The whole vocabulary of the wire. A message is a list of frames, each behind its length; a frame is
 * `version type body`. Numbers are lib0 varUints (up to 2^53-1), strings and byte arrays carry their length.
 *
 *     store                                   relay
 *       hello  ------------------------------>            who, where from, what is pending
 *              <------------------------------  welcome   what became of it, what comes next
 *              <------------------------------  snapshot  (in parts, only when the store's own state is of no use)
 *              <------------------------------  entries   up to welcome.head, then as they are committed
 *       mutate ------------------------------>
 *              <------------------------------  entries   (the own one without its bytes) or outcome
 *       call   ------------------------------>            a run, asked for directly; again to hear of it
 *       ask    ------------------------------>            how a run stands
 *       cancel ------------------------------>            a run that is wanted no more
 *              <------------------------------  run       how one stands: in answer, and whenever that changes
 *              <------------------------------  streams   those that go on, once the store is level
 *              <------------------------------  stream    one that is new to the store, or begins again
 *              <------------------------------  delta     what it says
 *       resume ------------------------------>            something of it is missing, or wanted
 *              <------------------------------  streamEnd it ended with an entry, which comes next
 *              <------------------------------  streamGone the relay has nothing of it any more
 *       auth   ------------------------------>            a fresh token, before the old one ends
 *              <------------------------------  grant     what it may do: before the welcome, and when that changes
 *       bye    ------------------------------>            nothing is pending: the writer may be leased to others
 *       ping   ------------------------------>
 *              <------------------------------  pong
 *              <------------------------------  failed    and the link is closed
 */
import type { MutationKey, Outcome, RoomBirth } from '../ports/relay-storage.ts';
import type { RunEnding, StoredRunStatus } from '../ports/run-storage.ts';
import type { JsonObject } from '../util/json.ts';
import type { DeltaFrame, ResumeFrame, StreamEndFrame, StreamFrame, StreamGoneFrame, StreamPlace, StreamsFrame } from './stream-frames.ts';

/** Raised when a frame changes shape. Both sides refuse any other. */
export const PROTOCOL_VERSION = 1;

/** Mutations `from` to `to` (both included) of one replica. */
export interface MutationRange {
  readonly replica: number;
  readonly from: number;
  readonly to: number;
}

/** An update of one table's document. */
export interface TableUpdate {
  readonly table: string;
  readonly bytes: Uint8Array;
}

/** An action that a mutation asks for. `input` is JSON text. */
export interface EnqueueIntent {
  readonly name: string;
  readonly input: string;
  /** The idempotency key; empty: none. */
  readonly key: string;
  /** When it is due, in milliseconds since 1970; 0: at once. */
  readonly notBefore: number;
}

/** A run of the same user's that a mutation cancels. */
export interface CancelIntent {
  readonly cancel: string;
}

/** What a mutation asks of runs. */
export type Intent = EnqueueIntent | CancelIntent;

/** First frame of a link. */
export interface HelloFrame {
  readonly type: 'hello';
  readonly schemaVersion: number;
  readonly room: string;
  readonly userId: string;
  readonly token: string;
  /** What the store holds; lineage 0: nothing. */
  readonly lineage: number;
  readonly epoch: number;
  readonly seq: number;
  /** The replica that the store's next mutations are made on. */
  readonly replica: number;
  /** The Yjs client id that the store writes with and would go on with; 0: it has none that matters, and is leased one. */
  readonly writer: number;
  /** Writers that may still carry what is pending: they are fenced before the answer. */
  readonly fence: readonly number[];
  /** Every mutation in the device's outbox. */
  readonly outbox: readonly MutationRange[];
  /** How far it is in the streams that it knows to be open. */
  readonly streams: readonly StreamPlace[];
}

export interface MutateFrame extends RoomBirth {
  readonly type: 'mutate';
  readonly writer: number;
  /** The writer's own count, from 1. */
  readonly number: number;
  readonly key: MutationKey;
  readonly clock: number;
  readonly name: string;
  readonly intents: readonly Intent[];
  readonly updates: readonly TableUpdate[];
}

/**
 * Asks for a run, or, when one of that id is there, how it stands. Sent after all mutations made before it. The relay takes
 * no names but these: with a key the one that `keyedRunId` makes of it, without one a mutation id of the store's with `:0`.
 */
export interface CallFrame {
  readonly type: 'call';
  readonly run: string;
  readonly name: string;
  /** JSON text. */
  readonly input: string;
  /** The idempotency key; empty: none. */
  readonly key: string;
  /** The run expires when it has not begun by then, in milliseconds since 1970 by the relay's clock; 0: never. */
  readonly expiresAt: number;
}

/** Asks how a run stands. Only the user's own are told of; of another, or none, the answer fails with `run.notFound`. */
export interface AskFrame {
  readonly type: 'ask';
  readonly run: string;
}

/** Cancels a run of the user's own. Answered like `ask`, with how the run stands then; told again once it has ended. */
export interface CancelFrame {
  readonly type: 'cancel';
  readonly run: string;
}

/** A fresh token of the same user. Answered with a grant, or the link is closed. */
export interface AuthFrame {
  readonly type: 'auth';
  readonly token: string;
}

/** The last frame of a store that is being closed, with nothing pending: it never writes as its writer again. */
export interface ByeFrame {
  readonly type: 'bye';
  /** The writer of this link, and the number of its last accepted mutation. */
  readonly writer: number;
  readonly last: number;
}

export interface PingFrame {
  readonly type: 'ping';
}

export interface WelcomeFrame extends RoomBirth {
  readonly type: 'welcome';
  /** `seq` of the last entry that is kept. Entries (or a snapshot and entries) up to it follow. */
  readonly head: number;
  /** The relay's wall clock in milliseconds. */
  readonly now: number;
  /** Who the relay takes the store for. */
  readonly userId: string;
  /** Names this link and no other: pieces of streams can be sent to it alone. */
  readonly sessionId: string;
  /**
   * The writer of this link: that of the hello, or a leased one. Then that of the hello is fenced, and what is pending runs
   * again as this one. It may be used once all up to `head` is there.
   */
  readonly writer: number;
  /** The number of its last accepted mutation. */
  readonly writerLast: number;
  /** Mutations of the hello's outbox that were judged. Those not listed are unknown to the relay. */
  readonly outcomes: readonly MutationOutcome[];
}

export interface MutationOutcome {
  readonly key: MutationKey;
  readonly outcome: Outcome;
}

export interface SnapshotFrame extends RoomBirth {
  readonly type: 'snapshot';
  readonly seq: number;
  /** Whether this is the last part. */
  readonly isLast: boolean;
  /** A part of what `encodeTables` made; the parts come in order. */
  readonly bytes: Uint8Array;
}

export interface EntriesFrame extends RoomBirth {
  readonly type: 'entries';
  /** Encoded records (see `records.ts`), ascending by `seq`. */
  readonly records: readonly Uint8Array[];
}

/** The answer to a mutation that was judged before. */
export interface OutcomeFrame extends RoomBirth, MutationOutcome {
  readonly type: 'outcome';
}

/**
 * How a run stands: in answer to a frame that names it, and to all links of its user in the room whenever that changes,
 * and for each that has not ended when a link has got level. With `attempt` 0 and an ending it is what was asked that
 * failed: nothing is said of any run.
 */
export interface RunFrame {
  readonly type: 'run';
  readonly run: string;
  readonly name: string;
  readonly status: StoredRunStatus;
  /** How often it was begun. */
  readonly attempt: number;
  readonly ending: RunEnding | undefined;
  /** Of a run that has ended: the entry that settled it, which this link has got before. Otherwise 0. */
  readonly seq: number;
  /** JSON text; empty where the link was told it before. */
  readonly input: string;
}

/** What this link may do from here on. A relay that authenticates sends it before the welcome; without one, it may do anything. */
export interface GrantFrame {
  readonly type: 'grant';
  /** Whether its mutations and calls are taken. */
  readonly mayWrite: boolean;
  /** The link is closed with `auth.expired` after this time unless a fresh token comes; 0: never. */
  readonly expiresInMs: number;
  /** What the schema declares of the session, for rules on the device. */
  readonly session: JsonObject | undefined;
}

export interface PongFrame {
  readonly type: 'pong';
}

/** Why the relay closes the link. */
export interface FailedFrame {
  readonly type: 'failed';
  readonly code: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type StoreFrame = HelloFrame | MutateFrame | CallFrame | AskFrame | CancelFrame | ResumeFrame | AuthFrame | ByeFrame | PingFrame;
export type RelayFrame =
  | WelcomeFrame
  | SnapshotFrame
  | EntriesFrame
  | OutcomeFrame
  | RunFrame
  | StreamsFrame
  | StreamFrame
  | DeltaFrame
  | StreamEndFrame
  | GrantFrame
  | StreamGoneFrame
  | PongFrame
  | FailedFrame;
export type Frame = StoreFrame | RelayFrame;
