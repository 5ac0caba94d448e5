import { indexedDb } from 'cotable/adapters/indexeddb';
import { createSyncClient, type SyncClient } from 'cotable/client';
import { SyncProvider, useSyncEvents } from 'cotable/react';
import { webSocket } from 'cotable/transports/websocket';
import { StrictMode, useEffect, useState, type ReactElement } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import type { EventPage } from './event-page.ts';
import type { ChatEvents } from './event-types.ts';

interface Frame {
  page(): EventPage;
  reload(): Promise<void>;
}

async function open(room: string, userId: string, offline: 'yes' | 'no' = 'no'): Promise<Frame> {
  const frame = document.createElement('iframe');
  Object.assign(frame.dataset, { url: inject('eventUrl'), room, userId, offline });
  // What Vitest makes of `import()` in a page asks for this of its own pages.
  const runner = 'window.__vitest_browser_runner__ = { wrapDynamicImport: (load) => load() };';
  frame.srcdoc = `<script>${runner}</script><script type="module" src="${new URL('./event-page.ts', import.meta.url).href}"></script>`;
  document.body.append(frame);
  onTestFinished(() => frame.remove());
  let shown: EventPage | undefined;
  const next = async (): Promise<void> => {
    const before = shown;
    const now = (): EventPage | undefined => frame.contentWindow?.eventPage;
    await expect.poll(() => now() !== undefined && now() !== before).toBe(true);
    shown = now();
  };
  await next();
  return {
    page() {
      if (!shown) throw new Error('the page is not there');
      return shown;
    },
    reload() {
      frame.contentWindow?.location.reload();
      return next();
    },
  };
}

const say = (client: SyncClient<ChatEvents>, room: string, text: string) =>
  client.syncRequest({ name: 'chat/say', version: 'v1', data: { text }, receiver: room });
const isOnline = ({ client }: EventPage, room: string) => expect.poll(() => client.status.rooms[room]?.state).toBe('online');

/** What was said in a room, as the relay knows it. */
async function said(room: string): Promise<readonly string[]> {
  const client = createSyncClient<ChatEvents>({ link: webSocket(inject('eventUrl')), userId: 'somebody' });
  const response = await client.syncRequest({ name: 'chat/said', version: 'v1', data: null, receiver: room });
  await client.close();
  return response.status === 'success' ? response.result.texts : [response.errorCode];
}

/** How many requests of a user the browser's disk holds. */
async function kept(userId: string): Promise<number> {
  const database = await indexedDb().open(`@events/${userId}`);
  const { length } = await database.range(['request']);
  await database.close();
  return length;
}

it('[SY50 C3 C25 C28] two tabs side by side hear an event of a third: its pieces, then what came of it', async () => {
  const room = crypto.randomUUID();
  const tabs = [await open(room, 'ann'), await open(room, 'ann'), await open(room, 'ben')];
  for (const tab of tabs) await isOnline(tab.page(), room);
  const response = await say((tabs[2] as Frame).page().client, room, 'hello to all');
  expect(response).toMatchObject({ status: 'success', result: { text: 'hello to all', by: 'ben' }, recipientCount: 3 });
  for (const tab of tabs) await expect.poll(() => tab.page().heard).toEqual(['hello', 'to', 'all', 'hello to all (ben)']);
});

it('[SY51 C34 CX7] what a tab asks without a network outlives its reload in IndexedDB, and is sent once there is one', async () => {
  const [room, userId] = [crypto.randomUUID(), crypto.randomUUID()];
  const tab = await open(room, userId, 'yes');
  for (const text of ['one', 'two']) void say(tab.page().client, room, text);
  await expect.poll(() => kept(userId)).toBe(2);
  await tab.reload();
  await expect.poll(() => tab.page().client.status.waiting).toBe(2);
  expect(await said(room)).toEqual([]);
  tab.page().setOnline(true);
  await expect.poll(() => said(room)).toEqual(['one', 'two']);
  await expect.poll(() => kept(userId)).toBe(0);
  await tab.reload();
  tab.page().setOnline(true);
  expect(await say(tab.page().client, room, 'three')).toMatchObject({ status: 'success' });
  expect(await said(room)).toEqual(['one', 'two', 'three']);
});

it('[SY52 CX7] two tabs that have the same requests to send have each run once, and the one that asked is answered', async () => {
  const [room, userId] = [crypto.randomUUID(), crypto.randomUUID()];
  const first = await open(room, userId, 'yes');
  const responses = ['one', 'two'].map((text) => say(first.page().client, room, text));
  await expect.poll(() => kept(userId)).toBe(2);
  const second = await open(room, userId, 'yes');
  await expect.poll(() => second.page().client.status.waiting).toBe(2);
  for (const tab of [first, second]) tab.page().setOnline(true);
  expect((await Promise.all(responses)).map(({ status }) => status)).toEqual(['success', 'success']);
  await expect.poll(() => [first, second].map((tab) => tab.page().client.status.waiting)).toEqual([0, 0]);
  expect(await said(room)).toEqual(['one', 'two']);
});

it('[SY53 C4] useSyncEvents gives the same functions at each render, and what they return is the cleanup of an effect', async () => {
  const room = crypto.randomUUID();
  const client = createSyncClient<ChatEvents>({ link: webSocket(inject('eventUrl')), userId: 'ann', rooms: [room] });
  onTestFinished(() => client.close());
  await expect.poll(() => client.status.rooms[room]?.state).toBe('online');
  const identities = new Set<unknown>();
  const late: string[] = [];
  function Chat(): ReactElement {
    const { upsertSyncEventCallback, upsertSyncEventStreamCallback } = useSyncEvents<ChatEvents>();
    const [words, setWords] = useState<readonly string[]>([]);
    const [texts, setTexts] = useState<readonly string[]>([]);
    identities.add(upsertSyncEventCallback);
    identities.add(upsertSyncEventStreamCallback);
    useEffect(
      () =>
        upsertSyncEventCallback({
          name: 'chat/say',
          version: 'v1',
          callback(event) {
            if (event.status === 'stream') return;
            late.push(event.serverOutput.text);
            setTexts((before) => [...before, event.serverOutput.text]);
          },
        }),
      [upsertSyncEventCallback],
    );
    useEffect(
      () =>
        upsertSyncEventStreamCallback({
          name: 'chat/say',
          version: 'v1',
          callback: ({ stream }) => setWords((before) => [...before, stream.word]),
        }),
      [upsertSyncEventStreamCallback],
    );
    return (
      <p>
        {words.join(',')}|{texts.join(',')}
      </p>
    );
  }
  const host = document.body.appendChild(document.createElement('div'));
  onTestFinished(() => host.remove());
  const root = createRoot(host);
  root.render(
    <StrictMode>
      <SyncProvider client={client}>
        <Chat />
      </SyncProvider>
    </StrictMode>,
  );
  await expect.poll(() => host.textContent).toBe('|');
  await say(client, room, 'a b');
  await expect.poll(() => host.textContent).toBe('a,b|a b');
  expect(identities.size).toBe(2);
  root.unmount();
  await say(client, room, 'c');
  expect(late).toEqual(['a b']);
});

it('[SY54] useSyncEvents throws without a provider', async () => {
  const thrown: unknown[] = [];
  const root = createRoot(document.createElement('div'), { onUncaughtError: (error) => thrown.push(error) });
  function Lost(): ReactElement {
    useSyncEvents<ChatEvents>();
    return <p>lost</p>;
  }
  root.render(<Lost />);
  await expect.poll(() => String(thrown[0])).toContain('<SyncProvider client={...}>');
  root.unmount();
});
