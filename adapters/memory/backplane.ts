import type { Backplane } from '../../src/ports/backplane.ts';

/** A backplane for relays of one process: give all of them the same one. It needs no closing. */
export function memoryBackplane(): Backplane {
  const channels = new Map<string, Set<(bytes: Uint8Array) => void>>();
  return {
    publish(channel, bytes) {
      for (const heard of channels.get(channel) ?? []) queueMicrotask(() => channels.get(channel)?.has(heard) && heard(bytes.slice()));
    },
    subscribe(channel, heard) {
      // The same function may listen twice.
      const ear = (bytes: Uint8Array): void => heard(bytes);
      const ears = channels.get(channel) ?? new Set();
      channels.set(channel, ears.add(ear));
      return () => {
        if (ears.delete(ear) && ears.size === 0 && channels.get(channel) === ears) channels.delete(channel);
      };
    },
  };
}
