import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { mutators, schema } from './app.mjs';
import { framesOf } from './frames.mjs';

const WELCOME = 16;
const ENTRIES = 18;
const FAILED = 21;

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
