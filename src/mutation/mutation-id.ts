import type { MutationKey } from '../ports/relay-storage.ts';

/** How a mutation is called in an app: its replica in base 36, a dash, its count. */
export function mutationId(key: MutationKey): string {
  return `${key.replica.toString(36)}-${key.counter}`;
}

/** A random 53-bit number, never 0: replicas, writers and lineages are named so. */
export function randomName(random: () => number): number {
  return 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1));
}
