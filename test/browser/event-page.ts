import type { Transport } from 'cotable';
import { createSyncClient, type SyncClient } from 'cotable/client';
import { webSocket } from 'cotable/transports/websocket';
import type { ChatEvents } from './event-types.ts';

/** What the frame of a page says of it. */
export interface EventPageOptions {
  readonly url: string;
  readonly room: string;
  readonly userId: string;
  /** `yes`: there is no network until `setOnline(true)`. */
  readonly offline: 'yes' | 'no';
}

/** A page with a client that keeps what waits where it does by default. */
export interface EventPage {
  readonly client: SyncClient<ChatEvents>;
  /** Words as they were streamed, and whole texts. */
  readonly heard: readonly string[];
  setOnline(isOnline: boolean): void;
}

declare global {
  interface Window {
    eventPage?: EventPage;
  }
}

const { url = '', room = '', userId = '', offline } = (window.frameElement as HTMLElement).dataset;

/** The way to the relay, with a network that the test switches. */
function switched(): Transport & Pick<EventPage, 'setOnline'> {
  const way = webSocket(url);
  let isOnline = offline !== 'yes';
  let tell = (_isOnline: boolean): void => undefined;
  return {
    connect: (events) => way.connect(events),
    available(listener) {
      tell = listener;
      listener(isOnline);
      return () => undefined;
    },
    setOnline(now) {
      isOnline = now;
      tell(now);
    },
  };
}

const transport = switched();
const client = createSyncClient<ChatEvents>({ link: transport, rooms: [room], userId });
const heard: string[] = [];
client.upsertSyncEventCallback({
  name: 'chat/say',
  version: 'v1',
  callback: (event) => heard.push(event.status === 'stream' ? event.stream.word : `${event.serverOutput.text} (${event.serverOutput.by})`),
});
window.eventPage = { client, heard, setOnline: transport.setOnline };
