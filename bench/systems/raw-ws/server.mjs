import { WebSocketServer } from 'ws';

export async function serve() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (from) => {
    from.on('message', (message) => {
      for (const to of server.clients) if (to !== from) to.send(message, { binary: true });
    });
  });
  await new Promise((listening) => server.once('listening', listening));
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    stream: (_room, produce) =>
      produce((piece, offset) => {
        const message = messageOf(piece, offset);
        for (const to of server.clients) to.send(message);
      }),
  };
}

/** The least that a viewer can put in its place: where the piece begins, in four bytes, and the piece. */
function messageOf(piece, offset) {
  const message = Buffer.alloc(4 + piece.length);
  message.writeUInt32BE(offset);
  message.write(piece, 4, 'latin1');
  return message;
}
