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
}

/** Requests that outlive the tab. What cannot be kept is not: it waits in memory alone. */
export interface RequestQueue {
  /** Those of earlier pages, oldest first. Resolves in any case, and soon. */
  readonly loaded: Promise<readonly StoredRequest[]>;
  keep(request: StoredRequest): void;
  forget(request: string): void;
  close(): Promise<void>;
}

/** What a disk has not told by then is not waited for. */
const LOAD_MS = 2_000;

export function createRequestQueue(open: () => Promise<ClientDatabase | undefined>, clock: Clock): RequestQueue {
  // A device that keeps nothing is no reason not to ask.
  const database = open().catch(() => undefined);

  function write(batch: StorageBatch): void {
    // What it could not keep still waits in memory.
    database.then((opened) => opened?.write(batch)).catch(() => undefined);
  }

  async function load(): Promise<readonly StoredRequest[]> {
    const pairs = (await (await database)?.range(['request'])) ?? [];
    return pairs.flatMap(([, value]) => (isStored(value) ? [value] : [])).toSorted((a, b) => a.at - b.at);
  }

  return {
    loaded: new Promise((resolve) => {
      const cancel = clock.after(LOAD_MS, () => resolve([]));
      const done = (requests: readonly StoredRequest[]): void => {
        cancel();
        resolve(requests);
      };
      load().then(done, () => done([]));
    }),
    keep: (stored) => write({ put: [[['request', stored.frame.request], stored]] }),
    forget: (request) => write({ delete: [['request', request]] }),
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
