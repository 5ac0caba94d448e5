// What a page imports.
import { createStore } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { StoreProvider, useQuery, useStore } from 'cotable/react';
import { http } from 'cotable/transports/http';
import { webSocket } from 'cotable/transports/websocket';
import { mutators } from './mutators.ts';
import { schema } from './schema.ts';

export const store = createStore({
  schema,
  mutators,
  room: 'lobby',
  storage: indexedDb(),
  transports: [webSocket('ws://localhost:8080'), http('http://localhost:8080')],
});

function Messages() {
  const rows = useQuery(useStore<typeof schema>().table('messages'));
  return <pre>{rows.map((row) => row.text).join('\n')}</pre>;
}

export const page = (
  <StoreProvider store={store}>
    <Messages />
  </StoreProvider>
);
