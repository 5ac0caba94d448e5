import { createDeferred, type Deferred } from '../util/deferred.ts';
import type { Acceptance, RelayStorage } from '../ports/relay-storage.ts';

/** An accepted mutation on its way to the disk. `Author` is whom it is acknowledged to. */
export interface Accepted<Author> {
  readonly acceptance: Acceptance;
  readonly author: Author;
  /** The entry for the link it came over, encoded: it has the updates. */
  ack(): Uint8Array;
}

/**
 * Group commit: one group is in flight at a time, and what is accepted meanwhile is the next one, so that the disk makes
 * the batches. `committed` runs after the storage has said that the group is kept, never before: that order is the
 * promise behind every acknowledgement.
 */
export interface Commits<Author> {
  /** `seq` of the last entry that is kept. */
  readonly head: number;
  add(accepted: Accepted<Author>): void;
  /** Whether anything is on its way. */
  readonly isIdle: boolean;
  /** Resolves when all that was added before this call is kept. Rejects when the storage failed. */
  settled(): Promise<void>;
}

export function createCommits<Author>(options: {
  readonly storage: RelayStorage;
  readonly room: string;
  readonly epoch: number;
  readonly head: number;
  readonly soon: (run: () => void) => void;
  readonly committed: (group: readonly Accepted<Author>[]) => void;
  readonly failed: (error: unknown) => void;
}): Commits<Author> {
  const { storage, room, epoch } = options;
  let head = options.head;
  /** `seq` of the last entry that was added. */
  let added = head;
  let waiting: Accepted<Author>[] = [];
  let running = false;
  let failure: { readonly error: unknown } | undefined;
  let watchers: { readonly seq: number; readonly watcher: Deferred<void> }[] = [];

  async function run(): Promise<void> {
    try {
      // The rest of this turn belongs to the first group too.
      await new Promise<void>((done) => options.soon(done));
      while (waiting.length > 0) {
        const group = waiting;
        waiting = [];
        await storage.accept(
          room,
          { epoch, after: head },
          group.map((accepted) => accepted.acceptance),
        );
        head += group.length;
        options.committed(group);
        for (const { seq, watcher } of watchers) if (seq <= head) watcher.resolve();
        watchers = watchers.filter(({ seq }) => seq > head);
      }
      running = false;
    } catch (error) {
      failure = { error };
      for (const { watcher } of watchers) watcher.reject(error);
      options.failed(error);
    }
  }

  return {
    get head() {
      return head;
    },
    get isIdle() {
      return !running;
    },
    add(accepted) {
      waiting.push(accepted);
      added += 1;
      if (running) return;
      running = true;
      void run();
    },
    settled() {
      if (failure) return Promise.reject(failure.error);
      if (added <= head) return Promise.resolve();
      const watcher = createDeferred<void>();
      watchers.push({ seq: added, watcher });
      return watcher.promise;
    },
  };
}
