// What a page imports.
import { createStore } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { createSyncClient } from 'cotable/client';
import { StoreProvider, SyncProvider, useQuery, useStore, useSyncEvents } from 'cotable/react';
import { http } from 'cotable/transports/http';
import { webSocket } from 'cotable/transports/websocket';
import type { events } from './events.ts';
import { mutators } from './mutators.ts';
import { schema } from './schema.ts';

export const store = createStore({
  schema,
  mutators,
  room: 'lobby',
  storage: indexedDb(),
  transports: [webSocket('ws://localhost:8080'), http('http://localhost:8080')],
});

export const sync = createSyncClient<typeof events>({ link: store });
export const shouted = (text: string) => sync.syncRequest({ name: 'chat/shout', version: 'v1', data: { text }, receiver: 'lobby' });

export const useShouts = (show: (text: string) => void) =>
  useSyncEvents<typeof events>().upsertSyncEventCallback({
    name: 'chat/shout',
    version: 'v1',
    callback: (event) => show(event.status === 'stream' ? event.stream : event.serverOutput.text),
  });

function Messages() {
  const rows = useQuery(useStore<typeof schema>().table('messages'));
  return <pre>{rows.map((row) => row.text).join('\n')}</pre>;
}

export const page = (
  <StoreProvider store={store}>
    <SyncProvider client={sync}>
      <Messages />
    </SyncProvider>
  </StoreProvider>
);
