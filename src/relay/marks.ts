import { CotableError } from '../errors.ts';
import type { MutationKey, Outcome, RelayStorage } from '../ports/relay-storage.ts';
import type { MutationRange } from '../protocol/frames.ts';

/** More mutations than this are no outbox of a device. */
const MAX_OUTBOX = 100_000;

/** Counters from `from` to `to`, both included. */
interface Interval {
  readonly from: number;
  readonly to: number;
}

/**
 * Which mutations may still be accepted, as intervals of each replica's counters: those above the highest that was ever
 * judged, those below it that a handshake asked about and that were found unjudged, and those that were skipped since
 * (mutations are numbered when they begin, and one that awaits may end after a later one).
 */
export interface Marks {
  /** Learns about replicas before anything of theirs is judged. Returns each mutation of `outbox` with what became of it. */
  learn(replica: number, outbox: readonly MutationRange[]): Promise<readonly { key: MutationKey; outcome: Outcome | undefined }[]>;
  /** Throws for a replica that no handshake has named. */
  isFree(key: MutationKey): boolean;
  take(key: MutationKey): void;
}

export function createMarks(storage: RelayStorage, room: string): Marks {
  const free = new Map<number, Interval[]>();
  /** What was accepted while a handshake was asking: its answer may be older. */
  const taken = new Set<string>();
  let asking = 0;
  const nameOf = (key: MutationKey): string => `${key.replica}.${key.counter}`;

  function open(replica: number, interval: Interval): void {
    const intervals = free.get(replica);
    if (!intervals) free.set(replica, [interval]);
    else if (!intervals.some(({ from, to }) => from <= interval.from && interval.to <= to)) intervals.push(interval);
  }

  return {
    async learn(replica, outbox) {
      const asked = expand(outbox);
      const replicas = [...new Set([replica, ...outbox.map((range) => range.replica)])];
      asking += 1;
      try {
        const [outcomes, counters] = await Promise.all([storage.outcomes(room, asked), storage.lastCounters(room, replicas)]);
        // A replica that is known already has moved on since the storage answered.
        replicas.forEach((name, index) => free.has(name) || open(name, { from: (counters[index] ?? 0) + 1, to: Number.MAX_SAFE_INTEGER }));
        return asked.map((key, index) => {
          const outcome = outcomes[index];
          if (!outcome && !taken.has(nameOf(key))) open(key.replica, { from: key.counter, to: key.counter });
          return { key, outcome };
        });
      } finally {
        asking -= 1;
        if (asking === 0) taken.clear();
      }
    },
    isFree({ replica, counter }) {
      const intervals = free.get(replica);
      if (!intervals) throw new CotableError('protocol.gateRefused', { rule: 'a handshake named the replica of a mutation' });
      return intervals.some(({ from, to }) => from <= counter && counter <= to);
    },
    take(key) {
      if (asking > 0) taken.add(nameOf(key));
      const { replica, counter } = key;
      const rest = (free.get(replica) ?? []).flatMap(({ from, to }): Interval[] => {
        if (counter < from || counter > to) return [{ from, to }];
        return [
          { from, to: counter - 1 },
          { from: counter + 1, to },
        ].filter((interval) => interval.from <= interval.to);
      });
      free.set(replica, rest);
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
