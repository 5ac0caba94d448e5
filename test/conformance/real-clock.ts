import type { Clock } from '../../src/ports/clock.ts';

/** That of the machine, in Node and in a page. */
export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => queueMicrotask(run),
};
