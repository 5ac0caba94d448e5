import { createCursor } from '../../parts/varint.mjs';
import { ASK_FOR_ALL, STEP_2, SYNC, UPDATE } from '../yjs-protocol.mjs';

export const addressOf = (url, room) => `${url}/${room}`;
export const greet = () => [Buffer.from([SYNC, ...ASK_FOR_ALL])];
export const isWelcome = (message) => message[0] === SYNC && message[1] === STEP_2;

export function deliveriesIn(message) {
  const cursor = createCursor(message);
  return cursor.number() === SYNC && cursor.number() === UPDATE ? 1 : 0;
}
