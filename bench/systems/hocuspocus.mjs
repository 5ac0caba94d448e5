import * as encoding from 'lib0/encoding';
import { createCountedSockets } from '../parts/counted-socket.mjs';
import { valueOf } from '../parts/settings.mjs';
import { createCursor } from '../parts/varint.mjs';
import { ASK_FOR_ALL, createDocument, STEP_2, SYNC, UPDATE } from './yjs.mjs';

export const title = 'Hocuspocus';
export const promise = 'nothing is kept: no storage extension is installed (with one, it stores 2 s after a change)';
export const hasRooms = true;

const AUTH = 2;
const TOKEN = 0;

export async function serve() {
  const { Server } = await import('@hocuspocus/server');
  const server = new Server({ port: 0, address: '127.0.0.1', quiet: true, stopOnSignals: false });
  await server.listen();
  return { url: `ws://127.0.0.1:${server.address.port}` };
}

export async function openClient(url, room) {
  const { HocuspocusProvider, HocuspocusProviderWebsocket } = await import('@hocuspocus/provider');
  const { doc, rows, holds } = createDocument();
  const sockets = createCountedSockets();
  const websocketProvider = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: sockets.WebSocket });
  const provider = new HocuspocusProvider({ websocketProvider, name: room, document: doc, token: 'none' });
  provider.attach();
  await new Promise((synced) => provider.on('synced', synced));
  return {
    write: (index) => rows.set(`row-${index}`, valueOf(index)),
    holds,
    /** Its count of unsynced changes is not exact at once, so that a second client looks whether all is there. */
    async settled() {
      const other = await openClient(url, room);
      await other.holds(rows.size);
      other.close();
    },
    bytes: sockets.bytes,
    close() {
      provider.destroy();
      websocketProvider.destroy();
    },
  };
}

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

function syncKind(message) {
  const cursor = createCursor(message);
  cursor.skip();
  return cursor.number() === SYNC ? cursor.number() : undefined;
}
