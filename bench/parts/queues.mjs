// What waits in a server's process for its WebSockets, whatever they are made of.
import { Server } from 'node:http';

const sockets = new Set();
const emit = Server.prototype.emit;

/** To be called before a server is made: every connection that is upgraded counts from then on. */
export function watchQueues() {
  Server.prototype.emit = function (event, ...args) {
    if (event === 'upgrade') {
      sockets.add(args[1]);
      args[1].once('close', () => sockets.delete(args[1]));
    }
    return emit.call(this, event, ...args);
  };
}

/** The longest of them, in bytes that no system call has taken. */
export function longestQueue() {
  return Math.max(0, ...[...sockets].map((socket) => socket.writableLength));
}
