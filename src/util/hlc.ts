/** Counts per millisecond that a clock leaves room for. A safe integer then lasts until the year 2248. */
const STEPS = 1024;

/**
 * A hybrid logical clock (Kulkarni, Demirbas et al., 2014) in one safe integer: wall clock milliseconds x 1024 plus a
 * counter. It never goes back and is always above every clock it has seen, so that what is written later on what was
 * read is later by its clock too.
 */
export interface HybridClock {
  /** A clock above all given out and seen. */
  next(): number;
  /** The time in milliseconds, later than all that was seen: so what is written after something is dated after it too. */
  time(): number;
  /** Notes a clock that came from elsewhere. */
  see(clock: number): void;
  /** Comes back from a clock that ran ahead: nothing above `ceiling` was seen. */
  lower(ceiling: number): void;
}

export function createHybridClock(now: () => number): HybridClock {
  let last = 0;
  let seen = 0;
  return {
    time: () => Math.max(Math.floor(now()), seen > 0 ? clockToMs(seen) + 1 : 0),
    next() {
      last = Math.max(last + 1, msToClock(now()));
      return last;
    },
    see(clock) {
      seen = Math.max(seen, clock);
      last = Math.max(last, clock);
    },
    lower(ceiling) {
      seen = Math.min(seen, ceiling);
      last = Math.min(last, ceiling);
    },
  };
}

export function msToClock(ms: number): number {
  return Math.floor(ms) * STEPS;
}

export function clockToMs(clock: number): number {
  return Math.floor(clock / STEPS);
}
