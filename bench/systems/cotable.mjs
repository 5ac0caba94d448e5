import { join } from 'node:path';
import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { createCountedSockets } from '../parts/counted-socket.mjs';
import { valueOf } from '../parts/settings.mjs';
import { createCursor } from '../parts/varint.mjs';
import { mutators, schema } from './cotable-app.mjs';

export const title = 'Cotable';
export const promise = 'each write is on the disk of the relay (SQLite, WAL, synchronous=FULL) before anybody else sees it';
export const hasRooms = true;

const WELCOME = 16;
const ENTRIES = 18;
const FAILED = 21;

export async function serve(folder) {
  const logger = { info: () => undefined, warn: () => undefined, error: (...what) => console.error(...what) };
  const relay = createRelay({ backend: { schema, mutators }, storage: sqlite(join(folder, 'relay.db')), logger });
  const { url } = await relay.listen();
  return { url, close: () => relay.close() };
}

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

export const addressOf = (url) => url;

/** A real store says hello into a transport that leads nowhere; the reader sends its bytes. */
export async function greet(room) {
  let store;
  const hello = await new Promise((said) => {
    const transport = {
      connect(events) {
        queueMicrotask(() => events.opened());
        return { buffered: 0, send: said, close: () => events.closed() };
      },
      available(listener) {
        listener(true);
        return () => undefined;
      },
    };
    store = createStore({ schema, mutators, room, storage: memoryClientStorage(), transports: [transport] });
  });
  await store.close();
  return [hello];
}

export function isWelcome(message) {
  for (const { type } of framesOf(message)) if (type === WELCOME) return true;
  return false;
}

export function deliveriesIn(message) {
  let deliveries = 0;
  for (const { type, body } of framesOf(message)) {
    if (type === FAILED) throw new Error(`the relay closed a reader: ${message.toString('latin1')}`);
    if (type !== ENTRIES) continue;
    // Lineage and epoch stand before the list of entries.
    body.number();
    body.number();
    deliveries += body.number();
  }
  return deliveries;
}

function* framesOf(message) {
  const cursor = createCursor(message);
  while (!cursor.isAtEnd) {
    const body = cursor.enter();
    body.byte();
    yield { type: body.byte(), body };
  }
}
