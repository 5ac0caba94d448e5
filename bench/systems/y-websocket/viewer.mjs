import { createCursor } from '../../parts/varint.mjs';

export { addressOf, greet, isWelcome } from './reader.mjs';

const AWARENESS = 1;

export const tellsEnd = false;

export function* streamedIn(message) {
  for (const { offset, delta } of statesIn(message)) yield { offset, text: delta };
}

export function* statesIn(message) {
  const cursor = createCursor(message);
  if (cursor.number() !== AWARENESS) return;
  const update = cursor.enter();
  for (let rest = update.number(); rest > 0; rest--) {
    // The client and its clock.
    update.number();
    update.number();
    yield JSON.parse(update.text());
  }
}
