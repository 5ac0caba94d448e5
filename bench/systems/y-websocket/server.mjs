import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { WebSocketServer } from 'ws';

// Its CommonJS build: a part of it is CommonJS in any case, and the other one would bring a second copy of Yjs.
const { getYDoc, setupWSConnection } = createRequire(import.meta.url)('@y/websocket-server/utils');

/** As its own `server.js` does it. */
export async function serve() {
  const sockets = new WebSocketServer({ noServer: true });
  sockets.on('connection', setupWSConnection);
  const server = createServer();
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (webSocket) => sockets.emit('connection', webSocket, request));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    documentOf: (room) => getYDoc(room),
    /** Each piece is the awareness state of the server's own client for a moment: what apps do that mind the bytes. */
    stream: (room, produce) => produce((delta, offset) => getYDoc(room).awareness.setLocalState({ offset, delta })),
  };
}
