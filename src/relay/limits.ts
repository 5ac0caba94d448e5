import { MAX_FRAME_BYTES } from '../protocol/limits.ts';

/** What one link may cost. */
export interface Limits {
  /** A longer frame closes its link with `protocol.frameTooLarge`. */
  readonly frameBytes: number;
  /** More than this waiting in the process for one link closes it with `limit.bytes`. */
  readonly bufferedBytes: number;
  /** A link that is not greeted by then is closed with `protocol.timeout`. */
  readonly helloMs: number;
  /** A room without links leaves memory after this time. */
  readonly unloadMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  frameBytes: MAX_FRAME_BYTES,
  bufferedBytes: 8 * 1024 * 1024,
  helloMs: 5_000,
  unloadMs: 30_000,
};
