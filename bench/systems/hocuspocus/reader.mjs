import * as encoding from 'lib0/encoding';
import { createCursor } from '../../parts/varint.mjs';
import { ASK_FOR_ALL, STEP_2, SYNC, UPDATE } from '../yjs-protocol.mjs';

const AUTH = 2;
const TOKEN = 0;

export const addressOf = (url) => url;

export function greet(room) {
  const auth = encoding.createEncoder();
  encoding.writeVarString(auth, room);
  encoding.writeVarUint(auth, AUTH);
  encoding.writeVarUint(auth, TOKEN);
  encoding.writeVarString(auth, 'none');
  const sync = encoding.createEncoder();
  encoding.writeVarString(sync, room);
  encoding.writeVarUint(sync, SYNC);
  encoding.writeUint8Array(sync, new Uint8Array(ASK_FOR_ALL));
  return [encoding.toUint8Array(auth), encoding.toUint8Array(sync)];
}

export const isWelcome = (message) => syncKind(message) === STEP_2;
export const deliveriesIn = (message) => (syncKind(message) === UPDATE ? 1 : 0);

/** Each message begins with the name of its room. */
function syncKind(message) {
  const cursor = createCursor(message);
  cursor.skip();
  return cursor.number() === SYNC ? cursor.number() : undefined;
}
