import { isWellFormed } from '../util/text.ts';

/** Both sides keep these: what a store would send, a relay takes. */

/** A frame, and so a mutation, has at most this many bytes. */
export const MAX_FRAME_BYTES = 256 * 1024;

/** How far ahead of the relay's clock a mutation may be. */
export const CLOCK_MARGIN_MS = 60_000;
/** How far above the highest clock that a relay has accepted the next one may be, though the relay's own clock has stepped back. */
export const CLOCK_STEP_MS = 1_000;

const MAX_ROOM_NAME = 256;

/** What keeps text from being a room's name, if anything. */
export function roomNameProblem(name: string): string | undefined {
  if (name.length < 1 || name.length > MAX_ROOM_NAME) return `it has ${name.length} characters`;
  return isWellFormed(name) ? undefined : 'it holds half of a surrogate pair';
}
