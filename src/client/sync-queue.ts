import type { ClientDatabase, ClientStorage, StorageBatch } from '../ports/client-storage.ts';
import type { Clock } from '../ports/clock.ts';
import type { SyncFrame } from '../protocol/sync-frames.ts';

/** A request as it waits on a device. */
export interface StoredRequest {
  readonly room: string;
  readonly frame: SyncFrame;
  /** Whose it is: nobody else asks for it. */
  readonly userId: string;
  /** When it was asked for, in milliseconds since 1970. */
  readonly at: number;
  /** When it was first sent; left out: no relay has heard of it. */
  readonly sentAt?: number | undefined;
}

/** Requests that outlive the tab. What cannot be kept is not: it waits in memory alone. */
export interface RequestQueue {
  /** Those of earlier pages, oldest first. Resolves in any case, and soon. */
  readonly loaded: Promise<readonly StoredRequest[]>;
  keep(request: StoredRequest): void;
  forget(request: string): void;
  /** Whether the next page finds it. Resolves in any case, and soon. */
  has(request: string): Promise<boolean>;
  close(): Promise<void>;
}

/** What a disk has not told by then is not waited for. */
const PATIENCE_MS = 2_000;

export function createRequestQueue(open: () => Promise<ClientDatabase | undefined>, clock: Clock): RequestQueue {
  // A device that keeps nothing is no reason not to ask.
  const database = open().catch(() => undefined);
  /** Whether they were written. */
  const kept = new Map<string, Promise<boolean>>();

  async function write(batch: StorageBatch): Promise<boolean> {
    const opened = await database;
    await opened?.write(batch);
    return opened !== undefined;
  }

  async function load(): Promise<readonly StoredRequest[]> {
    const pairs = (await (await database)?.range(['request'])) ?? [];
    const requests = pairs.flatMap(([, value]) => (isStored(value) ? [value] : [])).toSorted((a, b) => a.at - b.at);
    for (const { frame } of requests) if (!kept.has(frame.request)) kept.set(frame.request, Promise.resolve(true));
    return requests;
  }

  function soon<T>(told: Promise<T>, otherwise: T): Promise<T> {
    return new Promise((resolve) => {
      const cancel = clock.after(PATIENCE_MS, () => resolve(otherwise));
      const done = (value: T): void => {
        cancel();
        resolve(value);
      };
      told.then(done, () => done(otherwise));
    });
  }

  return {
    loaded: soon(load(), []),
    keep(stored) {
      const { request } = stored.frame;
      const before = kept.get(request) ?? false;
      // What it could not keep still waits in memory; and what stood there before stands.
      kept.set(
        request,
        write({ put: [[['request', request], stored]] }).catch(() => before),
      );
    },
    forget(request) {
      kept.delete(request);
      write({ delete: [['request', request]] }).catch(() => undefined);
    },
    has: (request) => soon(kept.get(request) ?? Promise.resolve(false), false),
    close: async () => {
      await (await database)?.close();
    },
  };
}

/** Where the page says, and apart for each user it names. No store has a name that begins so. */
export async function openQueue(
  storage: ClientStorage | undefined,
  name: string,
  userId: string | undefined,
): Promise<ClientDatabase | undefined> {
  return storage?.open(`@${encodeURIComponent(name)}/${encodeURIComponent(userId ?? '')}`);
}

function isStored(value: unknown): value is StoredRequest {
  return typeof value === 'object' && value !== null && 'frame' in value && 'room' in value && 'at' in value && 'userId' in value;
}
