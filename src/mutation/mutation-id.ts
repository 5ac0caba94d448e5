import type { MutationKey } from '../ports/relay-storage.ts';

/** How a mutation is called in an app: its replica in base 36, a dash, its count. */
export function mutationId(key: MutationKey): string {
  return `${key.replica.toString(36)}-${key.counter}`;
}

/** A random 53-bit number, never 0: replicas, writers and lineages are named so. */
export function randomName(random: () => number): number {
  return 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1));
}

/** A mutation as far as its place among the others counts. */
export interface Ordered {
  readonly key: MutationKey;
  readonly clock: number;
}

/** The one order of all mutations of a device. */
export function byOrder(a: Ordered, b: Ordered): number {
  return a.clock - b.clock || a.key.replica - b.key.replica || a.key.counter - b.key.counter;
}
