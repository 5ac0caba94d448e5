import { createCursor } from '../../parts/varint.mjs';

/** The frames of a message: the type of each, its length, and a cursor at what follows. */
export function* framesOf(message) {
  const cursor = createCursor(message);
  while (!cursor.isAtEnd) {
    const from = cursor.at;
    const body = cursor.enter();
    // The version of the protocol.
    body.byte();
    yield { type: body.byte(), bytes: cursor.at - from, body };
  }
}
