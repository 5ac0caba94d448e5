import { asCotableError, CotableError } from '../errors.ts';
import type { StorageBatch } from '../ports/client-storage.ts';
import type { Journal } from './journal.ts';
import type { ForeignMutation } from './replica.ts';
import type { Stored, StoredDevice } from './stored.ts';

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
  /** Writes records of these mutations. Resolves when they are on disk, rejects when they never will be; either way they may leave then. */
  keep(ids: readonly string[], batch: StorageBatch): Promise<void>;
  /** What is on disk, everything written before this call included; `undefined` before it is loaded. */
  read(): Promise<Stored | undefined>;
  /** The outbox alone; `undefined` also when this device keeps nothing. */
  outbox(): Promise<readonly ForeignMutation[] | undefined>;
  /** Gives up the disk: nothing is written there from now on. */
  letGo(): void;
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

  return {
    get isKept() {
      return isKept;
    },
    isUnstored: (id) => unstored.has(id),
    async load(opened, newcomer) {
      const stored = await opened.load();
      // Two tabs that open a fresh device at once are one device all the same.
      const device = stored.device ?? (await opened.introduce(newcomer).catch(failed));
      journal = opened;
      return { ...stored, device: device ?? newcomer };
    },
    write,
    writeQuietly(batch) {
      write(batch).then(undefined, () => undefined);
    },
    async keep(ids, batch) {
      for (const id of ids) unstored.set(id, (unstored.get(id) ?? 0) + 1);
      try {
        await write(batch);
      } finally {
        for (const id of ids) {
          const rest = (unstored.get(id) ?? 1) - 1;
          if (rest > 0) unstored.set(id, rest);
          else unstored.delete(id);
        }
      }
    },
    async outbox() {
      try {
        await write({});
        return isKept ? await journal?.outbox() : undefined;
      } catch {
        // `notKept` has told of it, or the tab is closing.
        return undefined;
      }
    },
    letGo() {
      journal = undefined;
    },
    async read() {
      await write({});
      return journal?.load();
    },
  };
}
