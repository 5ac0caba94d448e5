import { WebSocket } from 'ws';
import { valueOf } from '../../parts/settings.mjs';

export async function openClient(url) {
  const socket = new WebSocket(url);
  await new Promise((opened, failed) => socket.once('open', opened).once('error', failed));
  return {
    write: (index) => socket.send(Buffer.from(valueOf(index))),
    close: () => socket.terminate(),
  };
}
