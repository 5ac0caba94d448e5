// One user of one room who writes all the time, and reloads now and then.
import { createStore, isCotableError } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { webSocket } from 'cotable/transports/websocket';
import { WebSocket } from 'ws';
import { mutators, schema } from './kill9-app.mjs';

/** So much may wait for the relay; then a writer waits too. */
const MAX_PENDING = 40;

/** `ledger` hears what the receipts say; `way` tells when the relay is there again. */
export function createWriter({ room, userId, dice, url, way, ledger }) {
  const storage = memoryClientStorage({ durable: true });
  const transport = {
    connect: (events) => webSocket(url(), { WebSocket }).connect(events),
    available(listener) {
      way.add(listener);
      listener(true);
      return () => way.delete(listener);
    },
  };
  const open = () => createStore({ schema, mutators, room, userId, storage, transports: [transport] });
  let store = open();
  let made = 0;
  let isStopped = false;

  function call() {
    const at = dice();
    const id = `${userId}-${made}`;
    if (at < 0.5) return ['write', { id, text: `of ${userId}` }];
    if (at < 0.65) return ['write', { id: `shared-${Math.floor(dice() * 5)}`, text: id }];
    if (at < 0.75) return ['star', { id: `shared-${Math.floor(dice() * 5)}`, stars: made }];
    if (at < 0.8) return ['drop', { id: `shared-${Math.floor(dice() * 5)}` }];
    if (at < 0.92) return ['count', { id: `counter-${Math.floor(dice() * 3)}` }];
    if (at < 0.96) return ['ask', { id }];
    return ['write', { id: `closed-${id}`, text: 'never' }];
  }

  async function mutate() {
    const [name, input] = call();
    made += 1;
    const { id, stored, confirmed } = await store.mutate[name](input);
    const isRefusable = name === 'write' && input.id.startsWith('closed');
    stored.then(
      () => ledger.stored(room, id, isRefusable),
      () => undefined,
    );
    confirmed.then(
      () => ledger.acked(room, id),
      // A reload ends the receipt and not the mutation.
      (error) => isCotableError(error, 'store.closed') || ledger.refused(room, id, error.code),
    );
  }

  async function write() {
    while (!isStopped) {
      if (store.status.pending < MAX_PENDING && store.status.state !== 'closed') {
        for (let left = 1 + Math.floor(dice() * 5); left > 0; left--) await mutate();
      }
      // Others have their turn, and a burst is not all there ever is.
      await new Promise((resolve) => setTimeout(resolve, 4 * dice()));
      if (dice() < 0.001) {
        await store.close();
        store = open();
        ledger.reloaded();
      }
    }
  }

  const writing = write();
  return {
    room,
    userId,
    /** Rejects with what went wrong in a mutator or a store. */
    writing,
    get store() {
      return store;
    },
    async stop() {
      isStopped = true;
      await writing;
    },
  };
}
