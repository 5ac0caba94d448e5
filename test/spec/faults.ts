import type { ClientDatabase, ClientStorage } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import type { MutationKey, RelayStorage } from 'cotable/relay';
import { createWorld, turns, type World } from './support.ts';

/** Works while the wall clock of this process is ahead: of devices, and of a relay as far as it reads it meanwhile. */
export async function ahead<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const { now } = Date;
  Date.now = () => now() + ms;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** A mutation as relay storages name it, by the id that its receipt shows. */
export function keyOf(id: string): MutationKey {
  const [replica = '', counter = ''] = id.split('-');
  return { replica: Number.parseInt(replica, 36), counter: Number(counter) };
}

/** A memory storage that says it is durable until its disk is full. */
export function failingStorage(): { readonly storage: ClientStorage; fail(): void } {
  const memory = memoryClientStorage({ durable: true });
  let isFull = false;
  return {
    fail: () => void (isFull = true),
    storage: {
      async open(name) {
        const database = await memory.open(name);
        const full = (): Promise<never> => Promise.reject(Object.assign(new Error('full'), QUOTA));
        const write: ClientDatabase['write'] = (batch) => (isFull ? full() : database.write(batch));
        const update: ClientDatabase['update'] = (keys, change) => (isFull ? full() : database.update(keys, change));
        return { ...database, write, update };
      },
    },
  };
}

/** What the errors of storages look like: see `isCotableError`. */
const QUOTA = { name: 'CotableError', code: 'storage.quota', params: {} };

/** A relay storage that calls `accepted` when a group is kept, before anybody else hears of it. */
function listening(accepted: () => void): RelayStorage {
  const storage = memoryRelayStorage();
  return {
    ...storage,
    async accept(...group) {
      await storage.accept(...group);
      accepted();
    },
  };
}

/** A world whose relay's next answer to alice is lost on the way, together with the link. */
export function losingAnswers(): World & { loseNext(): Promise<void> } {
  let lost: (() => void) | undefined;
  const world = createWorld({
    storage: listening(() => {
      if (!lost) return;
      world.hub.hold('alice');
      lost();
      lost = undefined;
    }),
  });
  return Object.assign(world, {
    async loseNext() {
      await new Promise<void>((resolve) => (lost = resolve));
      // What the relay says now stays in flight, and goes with the link.
      await turns(3);
      world.goOffline('alice');
      world.hub.cut('alice');
      world.hub.release('alice');
    },
  });
}
