/** A switch that is remembered: whether this client may use the network. */
export interface NetworkSwitch {
  readonly isOn: boolean;
  set(isOn: boolean): void;
  /** Calls `listener` after each change; the function returned stops that. */
  subscribe(listener: () => void): () => void;
}

const OFF = 'off';

/** Kept in the browser under `key`, so that it outlives a reload; windows that share it turn it together. On at first. */
export function createNetworkSwitch(key: string): NetworkSwitch {
  const listeners = new Set<() => void>();
  let isOn = localStorage.getItem(key) !== OFF;

  function turn(next: boolean): void {
    if (next === isOn) return;
    isOn = next;
    for (const listener of listeners) listener();
  }

  // Another window's change; this one's own is not told here.
  addEventListener('storage', (event) => {
    if (event.key === key) turn(event.newValue !== OFF);
  });

  return {
    get isOn() {
      return isOn;
    },
    set(next) {
      localStorage.setItem(key, next ? 'on' : OFF);
      turn(next);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
