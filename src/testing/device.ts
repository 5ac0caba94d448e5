import { memoryClientStorage } from '../../adapters/memory/client-storage.ts';
import type { ClientDatabase, ClientStorage, StorageBatch } from '../ports/client-storage.ts';
import { createDiskQueue } from './disk-queue.ts';
import type { Party, Schedule } from './schedule.ts';

/** A device's disk, shared by its tabs. */
export interface Device {
  readonly name: string;
  readonly isIdle: boolean;
  /** What a tab opens its database in. */
  storage(tab: Party): ClientStorage;
  /** The tab is gone, and what it wrote last may not be on disk. Returns how many reads and writes were lost. */
  forget(tab: Party, keep: (count: number) => number): number;
  /** Ids of the mutations in its outboxes, as they are on disk. */
  outbox(): Promise<readonly string[]>;
}

/**
 * `kept` hears of each mutation whose record has reached the disk, before the tab does; `folded` when a log was folded; `loaded` of what a tab finds in
 * its outbox.
 */
export function createDevice(options: {
  readonly name: string;
  readonly schedule: Schedule;
  readonly diskTime: () => number;
  readonly kept: (mutation: string) => void;
  readonly folded: () => void;
  readonly loaded: (tab: Party, mutation: string, writer: number) => void;
}): Device {
  const { name, schedule, diskTime, kept, folded, loaded } = options;
  const disk = memoryClientStorage({ durable: true });
  const queue = createDiskQueue(schedule, diskTime);
  const opened = new Map<string, ClientDatabase>();

  async function write(database: ClientDatabase, batch: StorageBatch): Promise<void> {
    await database.write(batch);
    note(batch);
  }

  const update: (database: ClientDatabase, ...change: Parameters<ClientDatabase['update']>) => Promise<void> = async (
    database,
    keys,
    change,
  ) => {
    let batch: StorageBatch = {};
    await database.update(keys, (values) => (batch = change(values)));
    note(batch);
    if (batch.put?.some(([key]) => key[0] === 'base')) folded();
  };

  function note({ put = [] }: StorageBatch): void {
    for (const [key, value] of put) if (key[0] === 'outbox') kept(readRecord(value).id);
  }

  return {
    name,
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
            async range(prefix) {
              const pairs = await queue.add(tab, () => inner.range([...prefix]));
              for (const [key, value] of pairs) {
                const record = readRecord(value);
                if (key[0] === 'outbox') loaded(tab, record.id, record.writer);
              }
              return pairs;
            },
            async write(batch) {
              const copy = structuredClone(batch);
              return queue.add(tab, () => write(inner, copy));
            },
            update: (keys, change) => queue.add(tab, () => update(inner, keys, change)),
            close: () => queue.add(tab, async () => undefined),
          };
        }),
    }),
    forget: (tab, keep) => queue.drop(tab, keep),
    async outbox() {
      const found = await Promise.all([...opened.values()].map((database) => database.range(['outbox'])));
      return found.flat().map(([, value]) => readRecord(value).id);
    },
  };
}

/** What a store keeps of a mutation; it carries its id and the writer it was made by. */
function readRecord(value: unknown): { readonly id: string; readonly writer: number } {
  const { id, writer } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<'id' | 'writer', unknown>>;
  return { id: String(id), writer: Number(writer) };
}
