import type { MutationKey } from '../ports/relay-storage.ts';

/** How a mutation is called in an app: its replica in base 36, a dash, its count. */
export function mutationId(key: MutationKey): string {
  return `${key.replica.toString(36)}-${key.counter}`;
}

/** A random 53-bit number, never 0: replicas and lineages are named so. */
export function randomName(random: () => number): number {
  return 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1));
}

/** A mutation as far as its place among the others counts. */
export interface Ordered {
  readonly key: MutationKey;
  /** Above that of all that was pending on the device when it was made (Lamport, 1978). It stays, while a replay may give its cells another clock. */
  readonly place: number;
}

/** The one order of all mutations of a device: what was built on another comes after it. */
export function byOrder(a: Ordered, b: Ordered): number {
  return a.place - b.place || a.key.replica - b.key.replica || a.key.counter - b.key.counter;
}
