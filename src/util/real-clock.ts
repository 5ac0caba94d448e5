/** A timer that is set for longer goes off at once, everywhere. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The clock of the machine. A timer that is set keeps a process alive: who sets one cancels it when it closes. */
export function realClock(): {
  now(): number;
  after(ms: number, run: () => void): () => void;
  soon(run: () => void): void;
} {
  const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => unknown };
  return {
    now: () => Date.now(),
    after(ms, run) {
      let timer: unknown;
      const wait = (left: number): void => {
        const part = Math.min(left, LONGEST_TIMER_MS);
        timer = setTimeout(part < left ? () => wait(left - part) : run, part);
      };
      wait(ms);
      return () => clearTimeout(timer as number);
    },
    // In a page a microtask is the end of the present task, which is where a turn's frames are together.
    soon: (run) => void (setImmediate ? setImmediate(run) : queueMicrotask(run)),
  };
}
