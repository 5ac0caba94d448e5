import { WebSocketServer } from 'ws';

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
