import { MAX_FRAME_BYTES } from '../protocol/limits.ts';

/** What one link may cost. */
export interface Limits {
  /** A longer frame closes its link with `protocol.frameTooLarge`. */
  readonly frameBytes: number;
  /** More than this waiting in the process for one link closes it with `limit.bytes`. */
  readonly bufferedBytes: number;
  /** A newcomer gets more of what it lacks when no more than this waits for it. */
  readonly catchUpBytes: number;
  /** A newcomer that takes nothing for this long is closed with `limit.bytes`. */
  readonly drainMs: number;
  /** A link that has not said hello by then is closed with `protocol.timeout`. */
  readonly helloMs: number;
  /** A room without links leaves memory after this time. */
  readonly unloadMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  frameBytes: MAX_FRAME_BYTES,
  bufferedBytes: 8 * 1024 * 1024,
  catchUpBytes: 1024 * 1024,
  drainMs: 30_000,
  helloMs: 5_000,
  unloadMs: 30_000,
};
