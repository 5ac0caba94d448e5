// What the two systems that carry plain Yjs have in common on the wire.
export const SYNC = 0;
export const STEP_2 = 1;
export const UPDATE = 2;

/** Step 1 of the sync protocol, from a document that has nothing. */
export const ASK_FOR_ALL = [0, 1, 0];
