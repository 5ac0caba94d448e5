import { writesTheSame, type ForeignMutation, type PendingMutation, type Replica } from './replica.ts';
import type { RoomPlace } from './stored.ts';

/** So many settled mutations are remembered: what is announced later than it was confirmed is one of the last. */
const REMEMBERED = 10_000;

/**
 * What the other tabs of this device have pending: shown in the rows, sent by its owner. One is gone when its entry comes,
 * or when somebody knows that it was refused.
 */
export interface Foreign {
  /** Shows what others have pending, in the place of what was known of the same mutations. What was settled before is not shown. */
  show(mutations: readonly ForeignMutation[]): void;
  /** The relay has accepted it with the entry `seq`, which tells what it is that was accepted. */
  accepted(id: string, seq: number): void;
  /** These will never be confirmed. */
  withdrawn(ids: readonly string[]): void;
  /** What was confirmed is not to be shown again. Called with each entry, and with what was found to be confirmed otherwise. */
  confirmed(ids: readonly string[]): void;
  /** Takes out what is among the confirmed by now. */
  sweep(): void;
  /** Whether it is among what is confirmed up to `seq`. */
  isIn(confirmed: RoomPlace, id: string): boolean;
  /** Whether it has to wait for what other tabs send. */
  isWaiting(mutation: PendingMutation): boolean;
}

/** `stale` is called when something pending here was built on what is not so any more: it has to run again. */
export function createForeign(replica: () => Replica, stale: () => void): Foreign {
  /** Those whose entries are still to come, by `seq`. */
  const accepted = new Map<string, number>();
  const settled = new Set<string>();

  function remember(id: string): void {
    settled.add(id);
    if (settled.size <= REMEMBERED) return;
    for (const oldest of settled) {
      settled.delete(oldest);
      break;
    }
  }

  function hide(id: string): void {
    accepted.delete(id);
    remember(id);
    replica().hide(id);
  }

  return {
    show(mutations) {
      for (const mutation of mutations) {
        const { pending, foreign } = replica();
        if (settled.has(mutation.id) || pending.has(mutation.id)) continue;
        const before = foreign.get(mutation.id);
        replica().show(mutation);
        // It ran again where it is pending, and what was built on it has read something else.
        if (before && !writesTheSame(before, mutation) && replica().isBasis(mutation.id)) stale();
      }
    },
    accepted(id, seq) {
      if (replica().foreign.has(id)) accepted.set(id, seq);
    },
    withdrawn(ids) {
      const isStale = ids.some((id) => replica().isBasis(id));
      for (const id of ids) hide(id);
      if (isStale) stale();
    },
    confirmed(ids) {
      for (const id of ids) {
        accepted.delete(id);
        remember(id);
      }
    },
    sweep() {
      const { seq, isBasis } = replica();
      const here = [...accepted].flatMap(([id, at]) => (at <= seq ? [id] : []));
      // They came within a snapshot: that they are there as they were shown here nobody can say.
      const isStale = here.some(isBasis);
      for (const id of here) hide(id);
      if (isStale) stale();
    },
    isIn: ({ seq }, id) => (accepted.get(id) ?? Number.POSITIVE_INFINITY) <= seq || settled.has(id),
    isWaiting: ({ basis }) => basis.size > 0 && [...basis].some((id) => replica().foreign.has(id)),
  };
}
