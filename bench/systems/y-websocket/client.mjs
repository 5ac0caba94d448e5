import { WebsocketProvider } from 'y-websocket';
import { createCountedSockets } from '../../parts/counted-socket.mjs';
import { valueOf } from '../../parts/settings.mjs';
import { createDocument, settled } from '../yjs-document.mjs';

export async function openClient(url, room) {
  const { doc, rows, holds } = createDocument();
  const sockets = createCountedSockets();
  const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: sockets.WebSocket, disableBc: true });
  await new Promise((synced) => provider.once('sync', synced));
  return {
    write: (index) => rows.set(`row-${index}`, valueOf(index)),
    holds,
    settled: () => settled(() => openClient(url, room), rows.size),
    bytes: sockets.bytes,
    close: () => provider.destroy(),
  };
}
