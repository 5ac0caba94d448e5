import { MAX_ITEMS } from '../doc/update.ts';
import { MAX_FRAME_BYTES } from '../protocol/limits.ts';

/** What links may cost. */
export interface Limits {
  /** A longer WebSocket message closes its link, before it is read, with `protocol.frameTooLarge`. */
  readonly messageBytes: number;
  /** A longer frame closes its link with `protocol.frameTooLarge`. */
  readonly frameBytes: number;
  /** More structs and deleted items than this in one frame close its link with `protocol.gateRefused`. */
  readonly items: number;
  /** While more than this waits in the process for one link, it gets no pieces of streams, and afterwards all of them afresh. */
  readonly ephemeralBytes: number;
  /** More than this waiting in the process for one link closes it with `limit.bytes`. */
  readonly bufferedBytes: number;
  /** A newcomer gets more of what it lacks when no more than this waits for it. */
  readonly catchUpBytes: number;
  /** A link that is waited for so long, and still has more than `catchUpBytes` waiting, is closed with `limit.bytes`. */
  readonly drainMs: number;
  /** A link that has not said hello by then is closed with `protocol.timeout`; a connection that is no WebSocket yet, without a word. */
  readonly helloMs: number;
  /** A link that sends more than this before its welcome is closed with `protocol.frameTooLarge`. */
  readonly greetingBytes: number;
  /** A link that sends more frames than this before its welcome is closed with `protocol.badFrame`. */
  readonly greetingFrames: number;
  /** When more links than this have not said hello, the oldest of them is closed with `limit.links`. */
  readonly strangers: number;
  /** The same for the links of one address. */
  readonly strangersPerAddress: number;
  /** When this many links have said hello, the hello of one more is answered with `limit.links`. */
  readonly links: number;
  /** A WebSocket that is quiet for this long is asked for a sign of life. */
  readonly pingMs: number;
  /** How long it has for that before it is dropped with `protocol.timeout`. */
  readonly pongMs: number;
  /** A room without links leaves memory after this time. */
  readonly unloadMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  messageBytes: 1024 * 1024,
  frameBytes: MAX_FRAME_BYTES,
  items: MAX_ITEMS,
  ephemeralBytes: 1024 * 1024,
  bufferedBytes: 8 * 1024 * 1024,
  catchUpBytes: 1024 * 1024,
  drainMs: 30_000,
  helloMs: 5_000,
  greetingBytes: 16 * 1024,
  greetingFrames: 8,
  strangers: 2_000,
  strangersPerAddress: 500,
  links: 10_000,
  pingMs: 25_000,
  pongMs: 20_000,
  unloadMs: 30_000,
};
