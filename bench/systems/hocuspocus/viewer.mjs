import { createCursor } from '../../parts/varint.mjs';

export { addressOf, greet, isWelcome } from './reader.mjs';

const STATELESS = 5;

export const tellsEnd = false;

export function* streamedIn(message) {
  const cursor = createCursor(message);
  // Each message begins with the name of its room.
  cursor.skip();
  if (cursor.number() !== STATELESS) return;
  const { offset, delta } = JSON.parse(cursor.text());
  yield { offset, text: delta };
}
