import type { Clock, Random } from '../ports/clock.ts';

/**
 * What capabilities of a simulated relay have in the place of the world: time and chance that the seed decides. One for each
 * start of the relay, with which it vanishes.
 */
export interface Outside {
  /** By the relay's clock: simulated milliseconds since 1970. */
  now(): number;
  /** Resolves after so many simulated milliseconds; never, when the relay has vanished by then. */
  sleep(ms: number): Promise<void>;
  readonly random: Random;
}

export function createOutside(clock: Clock, random: Random): Outside {
  return {
    now: clock.now,
    sleep: (ms) => new Promise((resolve) => void clock.after(ms, resolve)),
    random,
  };
}
