import { asCotableError, CotableError } from '../errors.ts';
import type { StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { Journal } from './journal.ts';
import type { ForeignMutation } from './replica.ts';
import { devicePut, keys, outboxPut, readDevice, rejectedPut, type Stored, type StoredDevice, type StoredRequests } from './stored.ts';

/** What of a store is on its device, and what is on its way there. */
export interface Disk {
  /** Whether everything written so far is, or will be, on the device. */
  readonly isKept: boolean;
  /** Mutations whose records are on their way; they may not leave the tab yet. */
  isUnstored(id: string): boolean;
  load(journal: Journal, newcomer: StoredDevice): Promise<Stored & { readonly device: StoredDevice }>;
  /** Takes effect in the order of the calls. Rejects when it is not on disk. */
  write(batch: StorageBatch): Promise<void>;
  /** For what nobody waits for: `notKept` has told of a failure. */
  writeQuietly(batch: StorageBatch): void;
  /**
   * Changes what is there, in one transaction with reading these keys, where nothing is lost if it fails: nobody is told
   * then. Resolves with whether it was done; one that got no answer in time may be done later.
   */
  change(keys: readonly StorageKey[], toBatch: (values: readonly StorageValue[]) => StorageBatch): Promise<boolean>;
  /** Writes the record of a new mutation. Resolves when it is on disk, rejects when it never will be; either way it may leave then. */
  keep(id: string, record: StorageBatch): Promise<void>;
  /**
   * Writes records of mutations that ran again, and `fence`; those of `rejected` end as rejections instead. All that only
   * for mutations that on disk are still this tab's (`owner`), or what they were when they were `read` there, and not
   * rejected: the ids of the others is what this resolves with.
   */
  keepAgain(
    mutations: readonly ForeignMutation[],
    read: ReadonlyMap<string, ForeignMutation>,
    fence: ReadonlySet<number>,
    rejected: ReadonlyMap<string, CotableError>,
  ): Promise<readonly string[]>;
  /** What is on disk, everything written before this call included; `undefined` before it is loaded. */
  read(): Promise<Stored | undefined>;
  /** The outbox alone; `undefined` also when this device keeps nothing. */
  outbox(): Promise<readonly ForeignMutation[] | undefined>;
  /** The same of what was asked of the relay about runs. */
  requests(): Promise<StoredRequests | undefined>;
  /** Gives up the disk: nothing is written there from now on. */
  letGo(): void;
  /** Whether what is written now gets there, as far as is known: it is loaded, kept and not given up. */
  readonly isOpen: boolean;
}

/** `notKept` hears each time something is not on disk. */
export function createDisk(notKept: (error: CotableError) => void): Disk {
  let journal: Journal | undefined;
  let isKept = true;
  /** How many writes of each mutation are under way. */
  const unstored = new Map<string, number>();

  async function write(batch: StorageBatch): Promise<void> {
    try {
      await journal?.write(batch);
    } catch (error) {
      failed(error);
      throw error;
    }
  }

  function failed(error: unknown): undefined {
    isKept = false;
    notKept(asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error })));
  }

  async function look<T>(read: (opened: Journal) => Promise<T>): Promise<T | undefined> {
    try {
      await write({});
      return isKept && journal ? await read(journal) : undefined;
    } catch {
      // `notKept` has told of it, or the tab is closing.
      return undefined;
    }
  }

  async function unstoredUntil(ids: readonly string[], written: Promise<void>): Promise<void> {
    for (const id of ids) unstored.set(id, (unstored.get(id) ?? 0) + 1);
    try {
      await written;
    } finally {
      for (const id of ids) {
        const rest = (unstored.get(id) ?? 1) - 1;
        if (rest > 0) unstored.set(id, rest);
        else unstored.delete(id);
      }
    }
  }

  return {
    get isKept() {
      return isKept;
    },
    isUnstored: (id) => unstored.has(id),
    async load(opened, newcomer) {
      const stored = await opened.load();
      journal = opened;
      let device = stored.device ?? newcomer;
      // Two tabs that open a fresh device at once are one device all the same.
      const introduce = (): Promise<void> =>
        opened.update([keys.device], ([standing]) => {
          const known = readDevice(standing);
          device = known ?? newcomer;
          return known ? {} : { put: [devicePut(newcomer)] };
        });
      if (!stored.device) await introduce().catch(failed);
      return { ...stored, device };
    },
    write,
    writeQuietly(batch) {
      write(batch).then(undefined, () => undefined);
    },
    async change(wanted, toBatch) {
      if (!journal || !isKept) return false;
      try {
        await journal.update(wanted, toBatch);
        return true;
      } catch {
        // A disk that takes nothing more says so at the next write of what matters.
        return false;
      }
    },
    keep: (id, record) => unstoredUntil([id], write(record)),
    async keepAgain(mutations, read, fence, rejected) {
      const lost: string[] = [];
      if (mutations.length === 0 && fence.size === 0) return lost;
      const update = async (): Promise<void> => {
        try {
          const outbox = mutations.map(({ key }) => keys.outbox(key));
          const rejections = mutations.map(({ key }) => keys.rejected(key));
          await journal?.update([keys.device, ...outbox, ...rejections], ([device, ...records]) => {
            const put: [StorageKey, StorageValue][] = [...fence].map((writer) => [keys.fence(writer), true]);
            const gone: StorageKey[] = [];
            for (const [index, mutation] of mutations.entries()) {
              const standing = records[index] as ForeignMutation | undefined;
              const error = rejected.get(mutation.id);
              // Another tab had taken it over, and had to give it up.
              if (records[mutations.length + index]) lost.push(mutation.id);
              else if (standing && !isMine(mutation, standing, read.get(mutation.id))) lost.push(mutation.id);
              // Another tab knows what became of it, and this one is about to hear of it; unless all is gone from here.
              else if (!standing && device && isKept) lost.push(...(error ? [mutation.id] : []));
              else if (error) {
                put.push(rejectedPut(mutation, error));
                gone.push(keys.outbox(mutation.key));
              } else put.push(outboxPut(mutation));
            }
            return { put, delete: gone };
          });
        } catch (error) {
          // Nothing else is written either: what was there stays as it was, and is sent all the same.
          lost.length = 0;
          failed(error);
        }
      };
      await unstoredUntil(
        mutations.map(({ id }) => id),
        update(),
      );
      return lost;
    },
    async read() {
      await write({});
      return journal?.load();
    },
    outbox: () => look((opened) => opened.outbox()),
    requests: () => look((opened) => opened.requests()),
    get isOpen() {
      return journal !== undefined && isKept;
    },
    letGo() {
      journal = undefined;
    },
  };
}

function isMine(mutation: ForeignMutation, { owner, writer }: ForeignMutation, read: ForeignMutation | undefined): boolean {
  return owner === mutation.owner || (owner === read?.owner && writer === read.writer);
}
