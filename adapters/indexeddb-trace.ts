/** What tells of a database that is gone: its birth in `localStorage`, which some browsers keep when they evict databases. */
export interface Trace {
  /** Leaves the birth of the database there. Returns whether another one had left its own, and is gone then. */
  leave(birth: string): boolean;
  forget(): void;
}

export function createTrace(name: string): Trace {
  return {
    leave: (birth) =>
      within((storage) => {
        const before = storage.getItem(name);
        if (before !== birth) storage.setItem(name, birth);
        return before !== null && before !== birth;
      }) ?? false,
    forget: () => void within((storage) => storage.removeItem(name)),
  };
}

/** `undefined` where there is no `localStorage`, as in a worker, and where it may not be used or is full: then nothing can be told. */
function within<T>(work: (storage: Storage) => T): T | undefined {
  try {
    return work(globalThis.localStorage);
  } catch {
    return undefined;
  }
}
