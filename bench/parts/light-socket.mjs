// A WebSocket client that costs next to nothing: it reads frame headers off a TCP socket and hands over whole messages.
// The 100 readers are made of it, the same for every system, so that the bench measures servers and not its readers.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Resolves when the socket is open. `onMessage` gets each binary message as a Buffer. */
export function openLightSocket(url, onMessage) {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  let isOpen = false;
  /** What has come of a frame that is not whole yet, and how long that must be before it is looked at again. */
  let parts = [];
  let have = 0;
  let need = 0;

  const light = {
    /** How much has come since the handshake, up to the end of the message that is handed over. */
    bytes: 0,
    send: (message) => socket.write(frame(BINARY, message)),
    close: () => socket.destroy(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };

  function frames(bytes) {
    let at = 0;
    for (;;) {
      const rest = bytes.length - at;
      if (rest < 2) return keep(bytes, at, 2);
      const short = bytes[at + 1];
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (rest < header) return keep(bytes, at, header);
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUIntBE(at + 4, 6);
      if (rest < header + length) return keep(bytes, at, header + length);
      const type = bytes[at] & 0x0f;
      const isWhole = bytes[at] >= 0x80;
      const body = bytes.subarray(at + header, at + header + length);
      light.bytes += header + length;
      if (type === PING) socket.write(frame(PONG, body));
      else if (type === CLOSE) throw new Error(`a server closed a reader: ${body.toString('latin1')}`);
      else if (type === BINARY && isWhole) onMessage(body, light);
      else if (type !== PONG) throw new Error(`a reader got a WebSocket frame of type ${type}`);
      at += header + length;
    }
  }

  function keep(bytes, at, wanted) {
    const rest = bytes.length - at;
    parts = rest > 0 ? [bytes.subarray(at)] : [];
    have = rest;
    need = wanted;
  }

  function read(chunk) {
    have += chunk.length;
    if (parts.length === 0 && have >= need) return frames(chunk);
    parts.push(chunk);
    if (have >= need) frames(Buffer.concat(parts));
  }

  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      if (isOpen) return read(chunk);
      parts.push(chunk);
      const head = Buffer.concat(parts);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!head.toString('latin1', 0, 12).endsWith('101')) return reject(new Error(head.toString('latin1', 0, end)));
      isOpen = true;
      parts = [];
      resolve(light);
      if (head.length > end + 4) read(head.subarray(end + 4));
    });
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
  });
}

/** A client must mask what it sends; a mask of zeros leaves the bytes as they are. Readers send little. */
function frame(type, body) {
  const head = body.length < 126 ? [0x80 | body.length] : [0x80 | 126, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | type, ...head, 0, 0, 0, 0]), body]);
}
