import { createStore } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { StoreProvider } from 'cotable/react';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { webSocket } from 'cotable/transports/websocket';
import { createRoot } from 'react-dom/client';
import type { Config } from '../shared/config.ts';
import { mutators } from '../shared/mutators.ts';
import { ROOM, schema } from '../shared/schema.ts';
import { Chat } from './chat.tsx';
import { createNetworkSwitch } from './network-switch.ts';
import { switchable } from './switchable.ts';

// One client: `?user=` says whose. Each user has a database of their own in this browser, which all of
// their tabs share.
const user = new URLSearchParams(location.search).get('user') || 'Alice';
const network = createNetworkSwitch(`cotable-demo/network/${user}`);
const store = createStore({
  schema,
  mutators,
  room: ROOM,
  userId: user,
  storage: indexedDb(),
  transports: [switchable(webSocket(relayUrl), network), broadcastChannel()],
});

/** Asked before each link: another relay may have taken over, at another port. */
async function relayUrl(): Promise<string> {
  const response = await fetch('/config.json');
  const { relayPort } = (await response.json()) as Config;
  return `ws://${location.hostname}:${relayPort}/`;
}

/** What is being written to the disk is there before the page goes. */
async function reload(): Promise<void> {
  await store.close();
  location.reload();
}

document.title = `${user} · Cotable demo`;
document.documentElement.dataset['person'] = user;
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StoreProvider store={store}>
      <Chat user={user} network={network} reload={reload} />
    </StoreProvider>,
  );
}
