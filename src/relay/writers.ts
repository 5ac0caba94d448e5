import { CotableError } from '../errors.ts';
import type { RelayStorage, WriterState } from '../ports/relay-storage.ts';
import { FIRST_PICKED_WRITER, RELAY_WRITER } from '../ports/writer-ids.ts';

/** An open store as the relay knows it: a user, and the name of that open. */
export interface Holder {
  readonly userId: string;
  readonly replica: number;
}

/** A writer, and the number of its last accepted mutation. */
export type Admission = Pick<WriterState, 'writer' | 'last'>;

/**
 * Who may write as which Yjs client, and how far each got.
 *
 * Two live documents that write as one client differ for ever. So a small writer is leased to one open of a store, not to its
 * user, and to another one only after that open gave it back: when it was closed, with all confirmed that it ever sent. A link
 * that is gone gives nothing back, not even the lease of a viewer that never wrote: its store may be offline, with
 * something pending in documents of that writer, and would hear what the next holder writes as somebody else's. What that
 * costs is a short record for each open that did not end cleanly; a store that asks again is given the lease it has, so
 * links cost nothing.
 */
export interface Writers {
  /**
   * The writer for a link. It is the `named` one if `goesOn` and it may write: one that a store picked and that belongs to
   * nobody else, or one that is leased to this store. Otherwise `named` is fenced, if it is this store's, and one is leased.
   */
  admit(holder: Holder, named: number, goesOn: boolean, settled: () => Promise<void>): Promise<Admission>;
  /** The store is closed, and never writes as its lease again. Does nothing unless all is as it says. Nothing is accepted of the writer from the call on. */
  giveBack(holder: Holder, lease: Admission): Promise<void>;
  /** Nothing more is accepted of these, those of other owners left alone; on disk after what was accepted before. */
  fence(owner: string, writers: readonly number[], settled: () => Promise<void>): Promise<void>;
  isDuplicate(writer: number, number: number): boolean;
  /** Throws `writer.fenced` or `writer.gap`. */
  checkNext(writer: number, number: number): void;
  accepted(writer: number, number: number): void;
  /** The number of the relay's own next mutation. */
  next(): number;
}

interface WriterInMemory {
  readonly owner: string;
  readonly holder: number | undefined;
  last: number;
  fenced: boolean;
}

/** `last`: the number of the relay's own last mutation. */
export function createWriters(storage: RelayStorage, room: string, last: number): Writers {
  const own: WriterInMemory = { owner: '', holder: undefined, last, fenced: false };
  const known = new Map([[RELAY_WRITER, own]]);
  /** How many were given back. */
  let returns = 0;

  /** What is known of writers. One that nobody has heard of is `owner`'s if stores pick it, and nobody's if it would have to be leased. */
  async function find(owner: string, writers: readonly number[]): Promise<(WriterInMemory | undefined)[]> {
    const seen = returns;
    const stored = await storage.writers(room, writers);
    // What the disk said may have been given back since.
    if (returns !== seen) return find(owner, writers);
    return writers.map((writer, index) => known.get(writer) ?? remember(writer, stored[index] ?? picked(owner, writer)));
  }

  function remember(writer: number, state: Omit<WriterState, 'writer'> | undefined): WriterInMemory | undefined {
    if (!state) return undefined;
    const inMemory = { owner: state.owner, holder: state.holder, last: state.last, fenced: state.fenced };
    known.set(writer, inMemory);
    return inMemory;
  }

  async function claim({ userId, replica }: Holder, writer: number): Promise<WriterInMemory | undefined> {
    const [state] = await find(userId, [writer]);
    if (!state || state.fenced || state.owner !== userId) return undefined;
    return writer < FIRST_PICKED_WRITER && state.holder !== replica ? undefined : state;
  }

  async function lease({ userId, replica }: Holder): Promise<Admission> {
    const leased = await storage.leaseWriter(room, userId, replica);
    const before = known.get(leased.writer);
    // What it had already may be further, or fenced, in memory.
    const state = before?.owner === userId && before.holder === replica ? before : remember(leased.writer, leased);
    return { writer: leased.writer, last: state?.last ?? leased.last };
  }

  async function fence(owner: string, writers: readonly number[], settled: () => Promise<void>): Promise<void> {
    if (writers.length === 0) return;
    const states = await find(owner, writers);
    const mine = writers.filter((_, index) => states[index]?.owner === owner);
    for (const state of states) if (state?.owner === owner) state.fenced = true;
    await settled();
    if (mine.length > 0) await storage.fence(room, owner, mine);
  }

  return {
    fence,
    async admit(holder, named, goesOn, settled) {
      const claimed = named === 0 ? undefined : await claim(holder, named);
      if (claimed && goesOn) return { writer: named, last: claimed.last };
      if (claimed) await fence(holder.userId, [named], settled);
      return lease(holder);
    },
    async giveBack({ userId, replica }, { writer, last: number }) {
      const state = known.get(writer);
      if (!state || state.fenced || state.owner !== userId || state.holder !== replica || state.last !== number) return;
      known.delete(writer);
      returns += 1;
      await storage.returnWriter(room, { writer, owner: userId, holder: replica, last: number });
    },
    isDuplicate: (writer, number) => number <= (known.get(writer)?.last ?? 0),
    checkNext(writer, number) {
      const state = known.get(writer);
      if (!state || state.fenced) throw new CotableError('writer.fenced', {});
      if (number !== state.last + 1) throw new CotableError('writer.gap', { expected: state.last + 1, found: number });
    },
    accepted(writer, number) {
      const state = known.get(writer);
      if (state) state.last = number;
    },
    next: () => (own.last += 1),
  };
}

function picked(owner: string, writer: number): Omit<WriterState, 'writer'> | undefined {
  return writer < FIRST_PICKED_WRITER ? undefined : { owner, holder: undefined, last: 0, fenced: false };
}
