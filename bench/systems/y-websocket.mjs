import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { createCountedSockets } from '../parts/counted-socket.mjs';
import { valueOf } from '../parts/settings.mjs';
import { createCursor } from '../parts/varint.mjs';
import { ASK_FOR_ALL, createDocument, STEP_2, SYNC, UPDATE } from './yjs.mjs';

export const title = 'y-websocket';
export const promise = 'nothing is kept: updates live in the memory of the server (its default)';
export const hasRooms = true;

/** As its own `server.js` does it. */
export async function serve() {
  const { setupWSConnection } = await import('@y/websocket-server/utils');
  const sockets = new WebSocketServer({ noServer: true });
  sockets.on('connection', setupWSConnection);
  const server = createServer();
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (webSocket) => sockets.emit('connection', webSocket, request));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `ws://127.0.0.1:${server.address().port}` };
}

export async function openClient(url, room) {
  const { WebsocketProvider } = await import('y-websocket');
  const { doc, rows, holds } = createDocument();
  const sockets = createCountedSockets();
  const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: sockets.WebSocket, disableBc: true });
  await new Promise((synced) => provider.once('sync', synced));
  return {
    write: (index) => rows.set(`row-${index}`, valueOf(index)),
    holds,
    /** There is no acknowledgement, so a second client looks whether all is there. */
    async settled() {
      const other = await openClient(url, room);
      await other.holds(rows.size);
      other.close();
    },
    bytes: sockets.bytes,
    close: () => provider.destroy(),
  };
}

export const addressOf = (url, room) => `${url}/${room}`;
export const greet = () => [Buffer.from([SYNC, ...ASK_FOR_ALL])];
export const isWelcome = (message) => message[0] === SYNC && message[1] === STEP_2;

export function deliveriesIn(message) {
  const cursor = createCursor(message);
  return cursor.number() === SYNC && cursor.number() === UPDATE ? 1 : 0;
}
