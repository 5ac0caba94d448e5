import type { CotableError } from '../errors.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { MutateFrame } from '../protocol/frames.ts';
import type { Commits } from './commits.ts';
import type { Marks } from './marks.ts';
import type { Writers } from './writers.ts';

/**
 * Mutations that are not taken. A refusal is for ever: it is kept like an acceptance, and told after it is on disk, behind
 * all that was accepted before. Its writer is fenced, since whatever it wrote afterwards stands on what is not there.
 */
export interface Refusals {
  add(frame: MutateFrame, author: { readonly userId: string }, reason: CotableError): void;
  /** Whether nothing is on its way to the disk. */
  readonly isIdle: boolean;
  /** Resolves when all refusals so far are kept. */
  settled(): Promise<void>;
}

export function createRefusals(parts: {
  readonly storage: RelayStorage;
  readonly room: string;
  readonly marks: Marks;
  readonly writers: Writers;
  readonly commits: Pick<Commits<unknown>, 'settled'>;
  readonly failed: (error: unknown) => void;
}): Refusals {
  const { storage, room, marks, writers, commits, failed } = parts;
  let settled = Promise.resolve();
  let keeping = 0;

  async function keep(
    { key, writer }: MutateFrame,
    { userId }: { readonly userId: string },
    { code, params }: CotableError,
  ): Promise<void> {
    await commits.settled();
    await storage.refuse(room, [{ mark: key, refusal: { code, params } }]);
    await writers.fence(userId, [writer], commits.settled);
  }

  return {
    add(frame, author, reason) {
      marks.take(frame.key);
      keeping += 1;
      settled = settled.then(() => keep(frame, author, reason)).finally(() => (keeping -= 1));
      // Who waits for it hears of the failure too.
      settled.catch(failed);
    },
    get isIdle() {
      return keeping === 0;
    },
    settled: () => settled,
  };
}
