/** Counts in windows. What it remembers is bounded: of more names than that the oldest are forgotten. */
export interface RateLimit {
  /** Counts one for a name. 0: it is within the limit; otherwise how many seconds until it is again. */
  take(name: string, limit: number): number;
}

const MAX_NAMES = 100_000;

export function createRateLimit(windowMs: number, now: () => number): RateLimit {
  /** By when their windows began. */
  const windows = new Map<string, { readonly from: number; count: number }>();

  function forget(time: number): void {
    for (const [name, { from }] of windows) {
      // A clock that steps back ends windows too.
      const isOpen = time >= from && time < from + windowMs;
      if (isOpen && windows.size < MAX_NAMES) return;
      windows.delete(name);
    }
  }

  return {
    take(name, limit) {
      const time = now();
      forget(time);
      const window = windows.get(name) ?? { from: time, count: 0 };
      windows.set(name, window);
      window.count += 1;
      return window.count <= limit ? 0 : Math.max(1, Math.ceil((window.from + windowMs - time) / 1000));
    },
  };
}
