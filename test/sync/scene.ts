import { createSyncClient, type Events, type EventTypes, type SyncClient, type SyncClientOptions, type SyncResponse } from 'cotable/client';
import { webSocket } from 'cotable/transports/websocket';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { scriptedRelay, type ScriptedLink, type ScriptedRelay } from './scripted-relay.ts';

/** What the scripted relay speaks of. */
export type Spoken = Events<{
  'chat/send': {
    v1: EventTypes<{ text: string }, { said: string }, { mark?: number }, { phase: string }, { part: string }>;
    v2: EventTypes<{ text: string }, { said: string }, Readonly<Record<never, never>>, never, never>;
  };
}>;

export type Client = SyncClient<Spoken>;
export type Options = Partial<SyncClientOptions>;

/** A client that is closed with its test. */
export function clientOf(relay: Pick<ScriptedRelay, 'url'>, options: Options = {}): Client {
  const client = createSyncClient<Spoken>({ link: webSocket(relay.url, { WebSocket }), userId: 'ann', ...options });
  onTestFinished(() => client.close());
  return client;
}

export async function scene(options: Options = {}): Promise<{ readonly relay: ScriptedRelay; readonly client: Client }> {
  const relay = await scriptedRelay();
  return { relay, client: clientOf(relay, options) };
}

/** A request of the one kind that these tests need. */
export function ask(
  client: Client,
  text: string,
  more: Partial<Parameters<Client['syncRequest']>[0]> = {},
): Promise<SyncResponse<{ said: string }>> {
  return client.syncRequest({ name: 'chat/send', version: 'v1', data: { text }, receiver: 'room', ...more });
}

export const success = (said: string): object => ({ status: 'success', message: 'ok', result: { said }, recipientCount: 1 });

/** Takes and answers each request at once. */
export function answering(relay: ScriptedRelay): void {
  relay.answer = (link, { request, data }) => answer(link, request, data);
}

export function answer(link: ScriptedLink, request: string, data: unknown): void {
  link.taken(request, `chat/send/v1~${request}`);
  link.answer(request, success((data as { text: string }).text));
}
