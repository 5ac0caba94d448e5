/**
 * After which errors a run is tried again: a plain one; one with a code whose status is 408, 409, 429, or 500 and above. So
 * what `reject()` throws is final, and so are inputs and outputs that do not fit. A property `retryable` of the error, or of
 * its cause, decides otherwise; `retryAfterMs` is the least time to wait.
 */
export interface RetryPolicy {
  /** How many attempts may fail before the run does. Default 3. */
  readonly attempts?: number;
  /** The first wait is a random time up to this; each further one up to twice the one before. Default 1 second. */
  readonly firstDelayMs?: number;
  /** No wait is longer, unless the error asks for it. Default 1 minute. */
  readonly maxDelayMs?: number;
}

/** How many runs of an action may be at work at once, in all rooms. */
export interface ConcurrencyPolicy<In> {
  /** Those of an action that have the same key share the limit. Asked once, when a run is queued. Default: all have. */
  readonly key?: (input: In, caller: { readonly userId: string; readonly room: string }) => string;
  /** Default 1. */
  readonly limit?: number;
  /**
   * What becomes of one too many. `queue` (default): it waits, first come, first served. `reject`: it fails with
   * `action.concurrencyRejected`. `restart`: those at work are canceled, and it begins. `join`: it waits for one that is at
   * work, is not begun, and ends as that one does.
   */
  readonly strategy?: 'queue' | 'reject' | 'restart' | 'join';
}

/** When the clock asks for a run. */
export interface CronPolicy<In> {
  /** A cron pattern: five fields, or six with seconds first. */
  readonly schedule: string;
  /** An IANA name such as `Europe/Berlin`. Default: that of the machine. */
  readonly timeZone?: string;
  readonly room: string;
  readonly input: In;
}
