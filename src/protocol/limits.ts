/** Both sides keep these: what a store would send, a relay takes. */

/** A frame, and so a mutation, has at most this many bytes. */
export const MAX_FRAME_BYTES = 256 * 1024;

/** How far ahead of the relay's clock a mutation may be. */
export const CLOCK_MARGIN_MS = 60_000;

/** Room names have at most this many characters. */
export const MAX_ROOM_NAME = 256;
