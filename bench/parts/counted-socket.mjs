import { WebSocket } from 'ws';

/** The `WebSocket` that a real client is given, and the bytes that go over its TCP connections, handshake included. */
export function createCountedSockets() {
  const opened = [];
  function CountedSocket(...args) {
    const socket = new WebSocket(...args);
    socket.on('upgrade', (response) => opened.push(response.socket));
    return socket;
  }
  return {
    WebSocket: CountedSocket,
    bytes: () => opened.reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, 0),
  };
}
