import { statesIn } from '../y-websocket/viewer.mjs';

export { addressOf, greet, isWelcome, tellsEnd } from '../y-websocket/viewer.mjs';

export function* streamedIn(message) {
  for (const { text } of statesIn(message)) yield { offset: 0, text };
}
