/** Time, handed in: the cores of store and relay read no clock and set no timer of their own. */
export interface Clock {
  /** Wall clock in milliseconds since 1970. May step. */
  now(): number;
  /** Runs `run` once after `ms` milliseconds; the function returned cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Runs `run` soon: after the present task and what else this turn brings, before any timer set later. */
  soon(run: () => void): void;
}

/** A number in [0, 1). */
export type Random = () => number;
