import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider';
import { createCountedSockets } from '../../parts/counted-socket.mjs';
import { valueOf } from '../../parts/settings.mjs';
import { createDocument, settled } from '../yjs-document.mjs';

export async function openClient(url, room) {
  const { doc, rows, holds } = createDocument();
  const sockets = createCountedSockets();
  const websocketProvider = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: sockets.WebSocket });
  const provider = new HocuspocusProvider({ websocketProvider, name: room, document: doc, token: 'none' });
  provider.attach();
  await new Promise((synced) => provider.on('synced', synced));
  return {
    write: (index) => rows.set(`row-${index}`, valueOf(index)),
    holds,
    settled: () => settled(() => openClient(url, room), rows.size),
    bytes: sockets.bytes,
    close() {
      provider.destroy();
      websocketProvider.destroy();
    },
  };
}
