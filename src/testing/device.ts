import { memoryClientStorage } from '../../adapters/memory/client-storage.ts';
import type { ClientDatabase, ClientStorage, StorageBatch } from '../ports/client-storage.ts';
import { createDiskQueue } from './disk-queue.ts';
import type { Party, Schedule } from './schedule.ts';

/** A device's disk, shared by its tabs. */
export interface Device {
  readonly name: string;
  readonly userId: string;
  readonly isIdle: boolean;
  /** What a tab opens its database in. */
  storage(tab: Party): ClientStorage;
  /** The tab is gone, and what it wrote last may not be on disk. Returns how many reads and writes were lost. */
  forget(tab: Party, keep: (count: number) => number): number;
  /** Ids of the mutations in the outbox of a database, as it is on disk. */
  outbox(): Promise<readonly string[]>;
}

/** `kept` hears of each mutation whose record has reached the disk, before the tab does. */
export function createDevice(options: {
  readonly name: string;
  readonly userId: string;
  readonly schedule: Schedule;
  readonly diskTime: () => number;
  readonly kept: (mutationId: string) => void;
}): Device {
  const { name, userId, schedule, diskTime, kept } = options;
  const disk = memoryClientStorage({ durable: true });
  const queue = createDiskQueue(schedule, diskTime);
  const opened = new Map<string, ClientDatabase>();

  async function write(database: ClientDatabase, batch: StorageBatch): Promise<void> {
    await database.write(batch);
    for (const [key, value] of batch.put ?? []) if (key[0] === 'outbox') kept(idOf(value));
  }

  return {
    name,
    userId,
    get isIdle() {
      return queue.isIdle;
    },
    storage: (tab) => ({
      open: (database) =>
        queue.add(tab, async () => {
          const inner = await disk.open(database);
          opened.set(database, inner);
          return {
            durable: true,
            range: (prefix) => queue.add(tab, () => inner.range([...prefix])),
            async write(batch) {
              const copy = structuredClone(batch);
              return queue.add(tab, () => write(inner, copy));
            },
            close: () => queue.add(tab, async () => undefined),
          };
        }),
    }),
    forget: (tab, keep) => queue.drop(tab, keep),
    async outbox() {
      const found = await Promise.all([...opened.values()].map((database) => database.range(['outbox'])));
      return found.flat().map(([, value]) => idOf(value));
    },
  };
}

/** Records of the outbox carry the id of their mutation. */
function idOf(record: unknown): string {
  return typeof record === 'object' && record !== null && 'id' in record ? String(record.id) : '';
}
