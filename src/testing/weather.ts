import type { Dice } from './dice.ts';

/** How kind links, disks and timers are. All times in milliseconds. */
export interface Weather {
  /** How long a message is on its way. */
  latency(): number;
  /** How long a message between tabs is on its way. */
  tabLatency(): number;
  /** How long a disk takes for one thing. */
  diskTime(): number;
  /** How late a timer fires. */
  lateness(): number;
  /** Of `count` things that were under way when something broke, how many get through, the first ones. */
  kept(count: number): number;
  /** How much later those get through. */
  stall(): number;
  /** Whether a link breaks so that its tab hears of it at once, and the relay gets all that was sent, but later. */
  outlives(): boolean;
}

/** Links that are quick, breaks that lose all that was in flight. */
export function calmWeather(dice: Dice): Weather {
  return {
    latency: () => dice.between(1, 5),
    tabLatency: () => 1,
    diskTime: () => dice.between(0, 1),
    lateness: () => 0,
    kept: () => 0,
    stall: () => 0,
    outlives: () => false,
  };
}

/** Mostly quick, now and then very slow: long enough for heartbeats to give a link up while its messages still arrive. */
export function roughWeather(dice: Dice): Weather {
  return {
    latency: () => (dice.chance(0.01) ? dice.between(100, 3_000) : dice.between(1, 40)),
    tabLatency: () => (dice.chance(0.05) ? dice.between(20, 2_000) : dice.between(0, 10)),
    diskTime: () => (dice.chance(0.03) ? dice.between(50, 1_500) : dice.between(0, 8)),
    lateness: () => (dice.chance(0.03) ? dice.between(100, 8_000) : dice.between(0, 10)),
    kept: (count) => (dice.chance(0.4) ? count : dice.below(count + 1)),
    stall: () => (dice.chance(0.6) ? dice.between(0, 1_000) : dice.between(0, 20_000)),
    outlives: () => dice.chance(0.5),
  };
}
