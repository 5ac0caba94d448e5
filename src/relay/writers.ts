import { CotableError } from '../errors.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';

/** Who may write as which Yjs client, and how far each got. */
export interface Writers {
  /** Takes a writer for a link of `owner`. Returns the number of its last accepted mutation. Throws `writer.fenced`. */
  claim(owner: string, writer: number): Promise<number>;
  /** Nothing more is accepted of these, those of other owners left alone; on disk after what was accepted before. */
  fence(owner: string, writers: readonly number[], settled: () => Promise<void>): Promise<void>;
  isDuplicate(writer: number, number: number): boolean;
  /** Throws `writer.fenced` or `writer.gap`. */
  checkNext(writer: number, number: number): void;
  accepted(writer: number, number: number): void;
  /** The next number of a writer of the relay's own. */
  next(writer: number): number;
}

interface WriterInMemory {
  readonly owner: string;
  last: number;
  fenced: boolean;
}

export function createWriters(storage: RelayStorage, room: string): Writers {
  const known = new Map<number, WriterInMemory>();

  async function learn(owner: string, writers: readonly number[]): Promise<WriterInMemory[]> {
    const stored = await storage.writers(room, writers);
    return writers.map((writer, index) => {
      const found = stored[index];
      const state = known.get(writer) ?? { owner: found?.owner ?? owner, last: found?.last ?? 0, fenced: found?.fenced ?? false };
      known.set(writer, state);
      return state;
    });
  }

  return {
    async claim(owner, writer) {
      const [state] = await learn(owner, [writer]);
      if (!state || state.fenced || state.owner !== owner) throw new CotableError('writer.fenced', {});
      return state.last;
    },
    async fence(owner, writers, settled) {
      if (writers.length === 0) return;
      for (const state of await learn(owner, writers)) if (state.owner === owner) state.fenced = true;
      await settled();
      await storage.fence(room, owner, writers);
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
    next(writer) {
      const state = known.get(writer) ?? { owner: '', last: 0, fenced: false };
      known.set(writer, state);
      state.last += 1;
      return state.last;
    },
  };
}
