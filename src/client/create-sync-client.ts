import type { ClientStorage } from '../ports/client-storage.ts';
import type { RelayConnection } from '../ports/transport.ts';
import type { EventContract, Events } from '../schema/events.ts';
import { realClock } from '../util/real-clock.ts';
import { createSyncClientOf } from './sync-client.ts';
import { createRequestQueue, openQueue } from './sync-queue.ts';
import type { SyncClient, SyncClientOptions } from './sync-types.ts';

/**
 * Asks for room events of a backend and hears them: `createSyncClient<typeof events>({ link: webSocket(url), rooms: ['lobby'] })`, with
 * `import type { events }`, so that nothing of the server comes along. Returns at once. Throws `room.invalidName`. The caller closes it.
 */
export function createSyncClient<E extends Events<EventContract> = never>(options: SyncClientOptions): SyncClient<E> {
  const { link, rooms, offlineQueue = {}, requestTimeoutMs = 30_000 } = options;
  const { maxSize = 200, maxAgeMs = 3_600_000, dropPolicy = 'drop-oldest', name = 'events' } = offlineQueue;
  const isStore = 'connection' in link;
  const connection = isStore ? link.connection : connectionOf(options);
  const clock = realClock();
  const open = async (): ReturnType<typeof openQueue> =>
    openQueue(offlineQueue.storage ?? (await defaultStorage()), name, connection.userId);
  const client: unknown = createSyncClientOf({
    connection,
    rooms: rooms ?? (isStore ? [link.connection.room] : []),
    locale: options.locale ?? globalThis.navigator?.language ?? '',
    limits: { maxSize, maxAgeMs, dropPolicy, requestTimeoutMs },
    queue: createRequestQueue(open, clock),
    clock,
    random: Math.random,
  });
  // Within, data and outputs are plain JSON; which types they have is known only out here.
  return client as SyncClient<E>;
}

function connectionOf({ link, token, userId }: SyncClientOptions): Omit<RelayConnection, 'room'> {
  return {
    transports: 'connect' in link ? [link] : [],
    userId,
    identify: async () => userId ?? '',
    token: typeof token === 'string' ? () => token : token,
  };
}

/** Loaded by itself: a page that brings its own storage, or has none, does not carry it. */
async function defaultStorage(): Promise<ClientStorage | undefined> {
  if (!('indexedDB' in globalThis)) return undefined;
  const { indexedDb } = await import('../../adapters/indexeddb.ts');
  return indexedDb();
}
