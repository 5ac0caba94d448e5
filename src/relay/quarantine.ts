import { toBase64 } from 'lib0/buffer';
import { mutationId } from '../mutation/mutation-id.ts';
import type { MutateFrame } from '../protocol/frames.ts';

/** A frame that every rule let pass, and that broke the room's memory all the same: an error of Cotable's or of Yjs. */
export interface Poison {
  readonly frame: MutateFrame;
  readonly author: { readonly userId: string };
}

/** Poison that was met, so that it breaks a room once and not at each try of its sender. In memory alone. */
export interface Quarantine {
  /** Returns what the log should hold of it: who sent it and, in base64, all that is needed to try it again. */
  add(poison: Poison): Readonly<Record<string, unknown>>;
  has(poison: Poison): boolean;
}

const MAX_KEPT = 1_000;

export function createQuarantine(): Quarantine {
  const kept = new Set<string>();
  // One user cannot have the mutations of another refused.
  const nameOf = ({ frame, author }: Poison): string => `${mutationId(frame.key)} ${author.userId}`;
  return {
    has: (poison) => kept.size > 0 && kept.has(nameOf(poison)),
    add(poison) {
      kept.add(nameOf(poison));
      const [oldest] = kept;
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
      const { frame, author } = poison;
      const updates = frame.updates.map(({ table, bytes }) => ({ table, base64: toBase64(bytes) }));
      const { writer, number, clock, name, lineage, epoch } = frame;
      return { userId: author.userId, mutation: mutationId(frame.key), lineage, epoch, writer, number, clock, name, updates };
    },
  };
}
