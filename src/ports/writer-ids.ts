import type { Random } from './clock.ts';

/*
 * How the numbers of writers (Yjs client ids) are divided. Small ones make small updates, and a document is slower with
 * each it has seen; so relays lease small ones and lease those again that were given back. A store that has no lease yet
 * picks one that nobody else has.
 */

/** The relay's own, the same in every room and for ever. Those behind it are leased, from the lowest. */
export const RELAY_WRITER = 1;

/** From here on stores pick their own. */
export const FIRST_PICKED_WRITER = 2 ** 31;

/** A writer that nobody else has: one of about 2^53. */
export function pickWriter(random: Random): number {
  return FIRST_PICKED_WRITER + Math.floor(random() * (Number.MAX_SAFE_INTEGER - FIRST_PICKED_WRITER));
}
