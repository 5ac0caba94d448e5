import { memoryClientStorage } from '../../adapters/memory/client-storage.ts';
import { CotableError } from '../errors.ts';
import type { ClientDatabase, ClientStorage, StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import { clone } from '../util/clone.ts';
import { createDiskQueue, type Dropped } from './disk-queue.ts';
import type { Party, Schedule } from './schedule.ts';

/** What was written in the last moments is with the operating system: no crash of a tab loses it, and a power cut may. */
const UNFLUSHED_MS = 3_000;

/** A device's disk, shared by its tabs. */
export interface Device {
  readonly name: string;
  readonly isIdle: boolean;
  /** What a tab opens its database in. */
  storage(tab: Party): ClientStorage;
  /** The tab is gone, and what it wrote last may not be on disk. */
  forget(tab: Party, keep: (count: number) => number): Dropped;
  /** The power has failed, and every tab is gone: of `count` writes of the last moments `take(count)`, the last ones, never were. */
  rollBack(take: (count: number) => number): number;
  /** All that is on disk is gone. To tabs that have the database open it is closed for good; who comes next makes a new one. */
  evict(): void;
  /** Ids of the mutations in its outboxes, as they are on disk. */
  outbox(): Promise<readonly string[]>;
}

export interface DeviceEvents {
  /** A mutation's record has reached the disk; heard before the tab does. */
  kept(mutation: string): void;
  /** A mutation's record that had is not there any more, through no fault of any tab. `holder` wrote it last, and may live. */
  forgotten(mutation: string, holder: Party | undefined): void;
  /** A mutation's record that had been taken off the disk is there again: the power has failed. */
  revived(mutation: string): void;
  /** Its record is an older one again, or gone: by which writers, or which tabs, it is sent since nobody knows. */
  reverted(mutation: string): void;
  /** The log of a device was folded into its documents. */
  folded(): void;
  /** What a tab finds in its outbox. */
  loaded(tab: Party, mutation: string, writer: number): void;
}

/** How to take a write back. */
interface Undo {
  readonly at: number;
  readonly database: ClientDatabase;
  readonly batch: StorageBatch;
  /** Mutations whose records it brought, and took away. */
  readonly brought: readonly OutboxRecord[];
  readonly taken: readonly OutboxRecord[];
}

export function createDevice(options: {
  readonly name: string;
  readonly schedule: Schedule;
  readonly diskTime: () => number;
  readonly events: DeviceEvents;
}): Device {
  const { name, schedule, diskTime, events } = options;
  const disk = memoryClientStorage({ durable: true });
  const queue = createDiskQueue(schedule, diskTime);
  const opened = new Map<string, ClientDatabase>();
  let undos: Undo[] = [];
  /** Who writes as the owner of records. */
  const holders = new Map<number, Party>();
  /** How often the databases were deleted. */
  let deletions = 0;

  /** Whatever is written goes through here. */
  async function write(tab: Party, database: ClientDatabase, batch: StorageBatch): Promise<void> {
    const swept = (await Promise.all((batch.deletePrefix ?? []).map((prefix) => database.range(prefix)))).flat();
    const keys = [...(batch.put ?? []).map(([key]) => key), ...(batch.delete ?? [])];
    let before: readonly StorageValue[] = [];
    await database.update(keys, (values) => {
      before = values;
      return batch;
    });
    noteWrite(tab, database, batch, [...keys.map((key, index) => [key, before[index]] as const), ...swept]);
  }

  function noteWrite(
    tab: Party,
    database: ClientDatabase,
    batch: StorageBatch,
    before: readonly (readonly [StorageKey, StorageValue])[],
  ): void {
    const there = before.filter(([, value]) => value !== undefined);
    const news = new Map(
      (batch.put ?? []).filter(([key]) => key[0] === 'outbox').map(([key, value]) => [key.join('-'), readRecord(value)]),
    );
    for (const { id, owner } of news.values()) {
      holders.set(owner, tab);
      events.kept(id);
    }
    const gone = there.filter(([key]) => key[0] === 'outbox' && !news.has(key.join('-'))).map(([, value]) => readRecord(value));
    for (const [key] of there) news.delete(key.join('-'));
    // Taken out first, whatever was put: what had been there is put back then.
    const undo = { delete: (batch.put ?? []).map(([key]) => key), put: there };
    undos = undos.filter(({ at }) => at > schedule.now - UNFLUSHED_MS);
    undos.push({ at: schedule.now, database, batch: undo, brought: [...news.values()], taken: gone });
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
          const generation = deletions;
          const call = <T>(run: () => Promise<T>): Promise<T> =>
            queue.add(tab, () => (generation === deletions ? run() : Promise.reject(new CotableError('storage.closed', {}))));
          return {
            durable: true,
            async range(prefix) {
              const pairs = await call(() => inner.range([...prefix]));
              for (const [key, value] of pairs) {
                const record = readRecord(value);
                if (key[0] === 'outbox') events.loaded(tab, record.id, record.writer);
              }
              return pairs;
            },
            async write(batch) {
              const copy = clone(batch);
              return call(() => write(tab, inner, copy));
            },
            update: (keys, change) =>
              call(async () => {
                // In two steps, and nobody comes between: one thing is done at a time.
                let batch: StorageBatch = {};
                await inner.update(keys, (values) => {
                  batch = clone(change(values));
                  return {};
                });
                await write(tab, inner, batch);
                if (batch.put?.some(([key]) => key[0] === 'base')) events.folded();
              }),
            close: () => queue.add(tab, async () => undefined),
          };
        }),
    }),
    forget: (tab, keep) => queue.drop(tab, keep),
    rollBack(take) {
      const recent = undos.filter(({ at }) => at > schedule.now - UNFLUSHED_MS);
      const taken = recent.slice(recent.length - take(recent.length)).reverse();
      undos = [];
      for (const { database, batch, ...records } of taken) {
        void database.write(batch);
        for (const record of records.brought) forgotten(record);
        for (const { id } of records.taken) events.revived(id);
        for (const [key, value] of batch.put ?? []) if (key[0] === 'outbox') events.reverted(readRecord(value).id);
      }
      return taken.length;
    },
    evict() {
      deletions += 1;
      undos = [];
      for (const database of opened.values()) void clear(database);
    },
    outbox,
  };

  async function clear(database: ClientDatabase): Promise<void> {
    // What was refused, and nobody was told of it yet, is gone too.
    const refused = (await database.range(['rejected'])).map(([, value]) => readRecord(value));
    const held = [...(await outboxOf(database)), ...refused];
    await database.write({ deletePrefix: [[]] });
    for (const record of held) {
      forgotten(record);
      // Two of its tabs may go on with it, each by itself.
      events.reverted(record.id);
    }
  }

  function forgotten({ id, owner }: OutboxRecord): void {
    events.forgotten(id, holders.get(owner));
  }

  async function outbox(): Promise<readonly string[]> {
    return (await Promise.all([...opened.values()].map(outboxOf))).flat().map(({ id }) => id);
  }

  async function outboxOf(database: ClientDatabase): Promise<readonly OutboxRecord[]> {
    return (await database.range(['outbox'])).map(([, value]) => readRecord(value));
  }
}

/** What a store keeps of a mutation: its id, the writer it was made by, and the tab that is to send it. */
interface OutboxRecord {
  readonly id: string;
  readonly writer: number;
  readonly owner: number;
}

function readRecord(value: unknown): OutboxRecord {
  const { id, writer, owner } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof OutboxRecord, unknown>>;
  return { id: String(id), writer: Number(writer), owner: Number(owner) };
}
