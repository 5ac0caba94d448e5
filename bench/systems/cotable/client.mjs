import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { webSocket } from 'cotable/transports/websocket';
import { createCountedSockets } from '../../parts/counted-socket.mjs';
import { valueOf } from '../../parts/settings.mjs';
import { mutators, schema } from './app.mjs';

export async function openClient(url, room) {
  const sockets = createCountedSockets();
  const store = createStore({
    schema,
    mutators,
    room,
    storage: memoryClientStorage(),
    transports: [webSocket(url, { WebSocket: sockets.WebSocket })],
  });
  await store.synced;
  const rows = store.table('rows');
  let confirmed = Promise.resolve();
  return {
    write(index) {
      const receipt = store.mutate.put({ key: `row-${index}`, text: valueOf(index) });
      confirmed = receipt.then((made) => made.confirmed);
    },
    async holds(count) {
      const found = rows.list().length;
      if (found !== count) throw new Error(`${found} rows instead of ${count}`);
    },
    /** Writes are confirmed in the order they were made. */
    settled: () => confirmed,
    bytes: sockets.bytes,
    close: () => store.close(),
  };
}
