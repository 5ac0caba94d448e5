import { createStore, type Store } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { useQuery, useRun, type RunNow } from 'cotable/react';
import { webSocket } from 'cotable/transports/websocket';
import { StrictMode, type ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import { mutators, schema } from './stream-schema.ts';

type Result = { readonly parts: number };

async function open(): Promise<Store<typeof schema>> {
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
  return store;
}

/** Shows a run that is looked up in each render. */
function show(store: Store<typeof schema>, run: () => string): { readonly text: () => string | null; readonly seen: RunNow<Result>[] } {
  const seen: RunNow<Result>[] = [];
  function Line(): ReactElement {
    const rows = useQuery(store.table('rows'));
    const now = useRun(store.run('talk', run()));
    seen.push(now);
    return (
      <p>
        {rows.length} {now.status} {now.status === 'succeeded' ? now.output.parts : now.error?.code}
      </p>
    );
  }
  const host = document.body.appendChild(document.createElement('div'));
  const root = createRoot(host);
  onTestFinished(() => {
    root.unmount();
    host.remove();
  });
  root.render(
    <StrictMode>
      <Line />
    </StrictMode>,
  );
  return { text: () => host.textContent, seen };
}

it('[BR4] useRun shows how a run stands, and its output or error in the very render that says how it ended', async () => {
  const store = await open();
  const { id } = store.action.talk({ id: 'row' });
  const { text, seen } = show(store, () => id);
  await expect.poll(text).toBe('0 running ');
  await store.mutate.put({ id: '1', text: 'one' });
  await expect.poll(text).toBe('1 running ');
  await store.mutate.put({ id: 'end', text: '' });
  await expect.poll(text).toBe('3 succeeded 1');
  const states = seen.filter((now, at) => now !== seen[at - 1]);
  // One object for each state, however often it is rendered.
  expect(new Set(states.map(({ status }) => status)).size).toBe(states.length);
  expect(states.at(-1)).toEqual({ status: 'succeeded', output: { parts: 1 }, error: undefined });
});

it('[BR4] useRun shows a run that ended badly, and one that is not there, and renders no further', async () => {
  const store = await open();
  await store.mutate.put({ id: 'end', text: 'badly' });
  const { id } = store.action.talk({ id: 'row' });
  const failed = show(store, () => id);
  await expect.poll(failed.text).toBe('2 failed talk.lost');
  const lost = show(store, () => 'nobody knows it');
  await expect.poll(lost.text).toBe('2 failed run.notFound');
  const renders = lost.seen.length;
  await store.mutate.put({ id: 'more', text: '' });
  await expect.poll(lost.text).toBe('3 failed run.notFound');
  // Strict mode renders each change twice.
  expect(lost.seen.length).toBeLessThanOrEqual(renders + 2);
});
