import { once } from 'node:events';
import * as decoding from 'lib0/decoding';
import { WebSocket } from 'ws';
import { message } from '../attacks/bytes.mjs';

const PING = message(new Uint8Array([1, 3]));
const PONG = 20;

/** A link by hand. */
export async function openStranger(url) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  let pongs = 0;
  let heard = () => undefined;
  socket.on('message', (data) => {
    const input = decoding.createDecoder(new Uint8Array(data));
    while (decoding.hasContent(input)) if (decoding.readVarUint8Array(input)[1] === PONG) pongs += 1;
    heard();
  });
  await Promise.race([once(socket, 'open'), closed]);
  return {
    closed,
    send: (bytes) => socket.send(bytes),
    end: () => socket.close(1000),
    /** Whether the relay still answers, now that it has read what was sent. */
    async isAlive() {
      if (socket.readyState !== WebSocket.OPEN) return false;
      const due = pongs + 1;
      socket.send(PING);
      const answered = new Promise((resolve) => (heard = () => pongs >= due && resolve(true)));
      return Promise.race([answered, closed.then(() => false)]);
    },
  };
}
