import { asCotableError, CotableError } from '../errors.ts';
import { byOrder } from '../mutation/mutation-id.ts';
import { runMutator, type MutatorHost } from '../mutation/run.ts';
import { CLOCK_STEP_MS } from '../protocol/limits.ts';
import type { AnySchema } from '../schema/schema.ts';
import { msToClock } from '../util/hlc.ts';
import { createReplica, type Confirmed, type ForeignMutation, type OutboxMutation, type Replica, type WriterStart } from './replica.ts';

export interface Rebuilt {
  readonly replica: Replica;
  /** Those that could not run again, with what they threw. In `replica` they are parked. */
  readonly failed: ReadonlyMap<string, CotableError>;
}

/**
 * The one road back: throws the view away, takes what is confirmed, and runs what is pending again by name and input, in
 * order, under `writer`. A mutation keeps its id, and its clock too unless it reads something later or writes over an
 * earlier one of this device; clocks that no relay takes (`ceilingOver`) are lowered first. `pending` may grow while this runs
 * (mutators may await): `finish` is called in the very moment when all of it has run, so that nothing slips in between.
 * What other tabs have pending is seen by those that come later.
 */
export async function rebuild(options: {
  readonly schema: AnySchema;
  /** Runs mutators on a replica. */
  readonly host: (replica: Replica) => MutatorHost;
  readonly writer: WriterStart;
  readonly confirmed: Confirmed;
  readonly pending: Iterable<OutboxMutation>;
  readonly foreign: readonly ForeignMutation[];
  /** Those of `pending` that may be among what is confirmed: they are parked. */
  readonly gone: ReadonlySet<string>;
  readonly ceiling: number;
  /** Called with the confirmed state alone, before anything pending runs on it. */
  readonly confirmedReady?: (replica: Replica) => void;
  readonly finish: (rebuilt: Rebuilt) => void;
}): Promise<void> {
  const replica = createReplica(options.schema, options.writer, options.confirmed);
  options.confirmedReady?.(replica);
  const failed = new Map<string, CotableError>();
  const host = options.host(replica);
  const foreign = options.foreign.toSorted(byOrder);
  const ceiling = ceilingOver(options.ceiling, replica);
  let shown = 0;
  const showUntil = (mutation?: OutboxMutation): void => {
    for (let next = foreign[shown]; next && (!mutation || byOrder(next, mutation) < 0); next = foreign[++shown]) replica.show(next);
  };
  for (const mutation of options.pending) {
    showUntil(mutation);
    const { key, id, place, name, input, userId, at } = mutation;
    const call = { key, id, place, name, input, userId, at };
    if (options.gone.has(id)) {
      replica.park(call, mutation.clock, new CotableError('storage.conflict', {}));
      continue;
    }
    try {
      const running = runMutator(host, call);
      const result = 'then' in running ? await running : running;
      const clock = Math.max(Math.min(mutation.clock, ceiling), result.floor() + 1);
      replica.commit(call, clock, result);
    } catch (error) {
      const reason = asCotableError(error, (text) => new CotableError('mutation.failed', { name, reason: text }, { cause: error }));
      failed.set(id, reason);
      replica.park(call, mutation.clock, reason);
    }
  }
  showUntil();
  options.finish({ replica, failed });
}

/**
 * The highest clock that the relay takes: `ceiling` by its time, but not less than a step above what it took before. Its
 * clock may have stepped back, and what was written later than what stands must stay so.
 */
export function ceilingOver(ceiling: number, { confirmedClock }: Pick<Replica, 'confirmedClock'>): number {
  return Math.max(ceiling, confirmedClock + msToClock(CLOCK_STEP_MS));
}
