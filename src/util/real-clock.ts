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
      const timer: unknown = setTimeout(run, ms);
      return () => clearTimeout(timer as number);
    },
    // In a page a microtask is the end of the present task, which is where a turn's frames are together.
    soon: (run) => void (setImmediate ? setImmediate(run) : queueMicrotask(run)),
  };
}
