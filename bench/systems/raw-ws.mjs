import { WebSocket, WebSocketServer } from 'ws';
import { valueOf } from '../parts/settings.mjs';

export const title = 'ws, bare';
export const promise = 'nothing is kept: a message is sent on to everybody else as it is';
export const hasRooms = false;

export async function serve() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (from) => {
    from.on('message', (message) => {
      for (const to of server.clients) if (to !== from) to.send(message, { binary: true });
    });
  });
  await new Promise((listening) => server.once('listening', listening));
  return { url: `ws://127.0.0.1:${server.address().port}` };
}

export async function openClient(url) {
  const socket = new WebSocket(url);
  await new Promise((opened, failed) => socket.once('open', opened).once('error', failed));
  return {
    write: (index) => socket.send(Buffer.from(valueOf(index))),
    close: () => socket.terminate(),
  };
}

export const addressOf = (url) => url;
export const greet = () => [];
/** There is no answer to wait for: whoever is connected is in. */
export const isWelcome = undefined;
export const deliveriesIn = () => 1;
