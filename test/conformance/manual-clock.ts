import type { Clock } from '../../src/ports/clock.ts';

/** A clock that stands until it is advanced. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  pending(): number;
  /** Milliseconds until the next timer. */
  next(): number | undefined;
}

export function manualClock(): ManualClock {
  let time = 0;
  let timers: { readonly at: number; readonly run: () => void }[] = [];
  const due = () => timers.filter(({ at }) => at <= time).sort((a, b) => a.at - b.at)[0];
  return {
    now: () => time,
    after(ms, run) {
      const timer = { at: time + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    soon: (run) => void setImmediate(run),
    advance(ms) {
      time += ms;
      for (let timer = due(); timer; timer = due()) {
        timers = timers.filter((other) => other !== timer);
        timer.run();
      }
    },
    pending: () => timers.length,
    next: () => (timers.length ? Math.min(...timers.map(({ at }) => at)) - time : undefined),
  };
}
