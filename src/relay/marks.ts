import type { MutationKey, Outcome, RelayStorage } from '../ports/relay-storage.ts';
import type { MutationRange } from '../protocol/frames.ts';
import { CotableError } from '../errors.ts';

/** A device with more pending than this sends it in several handshakes' worth of links. */
const MAX_OUTBOX = 100_000;

/**
 * Which mutations may still be accepted. A replica counts its mutations, so those above the highest judged one are
 * free; below it only those that a handshake asked about and that were found unjudged.
 */
export interface Marks {
  /** Learns about replicas before anything of theirs is judged. Returns each mutation of `outbox` with what became of it. */
  learn(replica: number, outbox: readonly MutationRange[]): Promise<readonly { key: MutationKey; outcome: Outcome | undefined }[]>;
  isFree(key: MutationKey): boolean;
  take(key: MutationKey): void;
}

export function createMarks(storage: RelayStorage, room: string): Marks {
  const highest = new Map<number, number>();
  const open = new Set<string>();
  /** What was accepted while a handshake was asking: its answer may be older. */
  const taken = new Set<string>();
  let asking = 0;
  const nameOf = (key: MutationKey): string => `${key.replica}.${key.counter}`;

  return {
    async learn(replica, outbox) {
      const asked = expand(outbox);
      const replicas = [...new Set([replica, ...outbox.map((range) => range.replica)])];
      asking += 1;
      const [outcomes, counters] = await Promise.all([storage.outcomes(room, asked), storage.lastCounters(room, replicas)]).finally(
        () => (asking -= 1),
      );
      replicas.forEach((name, index) => highest.set(name, Math.max(highest.get(name) ?? 0, counters[index] ?? 0)));
      const judged = asked.map((key, index) => {
        const outcome = outcomes[index];
        if (!outcome && !taken.has(nameOf(key)) && key.counter <= (highest.get(key.replica) ?? 0)) open.add(nameOf(key));
        return { key, outcome };
      });
      if (asking === 0) taken.clear();
      return judged;
    },
    isFree(key) {
      const last = highest.get(key.replica);
      if (last === undefined) throw new CotableError('protocol.gateRefused', { rule: 'a handshake named the replica of a mutation' });
      return key.counter > last || open.has(nameOf(key));
    },
    take(key) {
      open.delete(nameOf(key));
      if (asking > 0) taken.add(nameOf(key));
      highest.set(key.replica, Math.max(highest.get(key.replica) ?? 0, key.counter));
    },
  };
}

function expand(ranges: readonly MutationRange[]): MutationKey[] {
  const keys: MutationKey[] = [];
  for (const { replica, from, to } of ranges) {
    if (from < 1 || to < from || keys.length + to - from >= MAX_OUTBOX) {
      throw new CotableError('protocol.badFrame', { problem: 'the outbox of a handshake is not one' });
    }
    for (let counter = from; counter <= to; counter++) keys.push({ replica, counter });
  }
  return keys;
}
