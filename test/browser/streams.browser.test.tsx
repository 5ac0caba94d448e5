import { createStore } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { useQuery, useStream } from 'cotable/react';
import { webSocket } from 'cotable/transports/websocket';
import { StrictMode, type ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import { mutators, schema } from './stream-schema.ts';

it('[SR22] useStream renders what was said and whether it goes on, and never the stream and the row of one run together', async () => {
  const store = createStore({
    schema,
    mutators,
    room: `room-${crypto.randomUUID()}`,
    userId: 'ann',
    storage: indexedDb({ prefix: `test-${crypto.randomUUID()}` }),
    transports: [webSocket(inject('streamUrl'))],
  });
  onTestFinished(() => store.close());
  await store.synced;
  const { id: run } = store.action.talk({ id: 'row' });
  const shown: string[] = [];
  function Answer(): ReactElement {
    const rows = useQuery(store.table('rows'));
    // Found by its name in each render: it is the same one.
    const { state, open } = useStream(store.stream('talk', run));
    const row = rows.find(({ id }) => id === 'row');
    return <p>{open ? `saying ${state}` : `row ${row?.text}`}</p>;
  }
  const host = document.body.appendChild(document.createElement('div'));
  new MutationObserver(() => void shown.push(host.textContent ?? '')).observe(host, {
    subtree: true,
    childList: true,
    characterData: true,
  });
  const root = createRoot(host);
  onTestFinished(() => {
    root.unmount();
    host.remove();
  });
  root.render(
    <StrictMode>
      <Answer />
    </StrictMode>,
  );
  const parts = ['one', ', two', ', three'];
  for (const [index, text] of parts.entries()) {
    await store.mutate.put({ id: String(index + 1), text });
    await expect.poll(() => host.textContent).toBe(`saying ${parts.slice(0, index + 1).join('')}`);
  }
  await store.mutate.put({ id: 'end', text: '' });
  await expect.poll(() => host.textContent).toBe('row one, two, three!');
  const distinct = shown.filter((text, at) => text !== shown[at - 1]);
  expect(distinct).toEqual(['saying ', 'saying one', 'saying one, two', 'saying one, two, three', 'row one, two, three!']);
});
