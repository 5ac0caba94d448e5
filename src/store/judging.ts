import { errorOf, type CotableError } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import type { WelcomeFrame } from '../protocol/frames.ts';
import type { Core } from './core.ts';
import { ceilingOver } from './rebuild.ts';
import type { ForeignMutation } from './replica.ts';
import type { Accepted } from './verdicts.ts';

/**
 * Takes out of the outbox what the relay has refused. What it has accepted is returned: the entries are among what is
 * confirmed, through another tab of this device perhaps.
 */
export function judge(core: Core, welcome: WelcomeFrame): readonly Accepted[] {
  const refused = new Map<string, CotableError>();
  const accepted: Accepted[] = [];
  /** Refused ones of other tabs. */
  const elsewhere: [ForeignMutation, CotableError][] = [];
  for (const { key, outcome } of welcome.outcomes) {
    const id = mutationId(key);
    const mutation = core.replica.pending.get(id);
    if ('seq' in outcome) {
      if (mutation) accepted.push({ mutation, seq: outcome.seq });
      else {
        core.foreign.accepted(id, outcome.seq);
        // It may have been made here, and taken over by another tab.
        core.verdicts.confirmed(id);
      }
      continue;
    }
    const error = errorOf(outcome.refused);
    const foreign = core.replica.foreign.get(id);
    if (mutation) refused.set(id, error);
    else if (foreign) elsewhere.push([foreign, error]);
  }
  core.verdicts.reject(refused);
  if (elsewhere.length > 0) {
    core.foreign.withdrawn(elsewhere.map(([{ id }]) => id));
    core.publish();
    core.verdicts.refusedOfOthers(elsewhere);
  }
  return accepted;
}

/** Whether what is pending cannot be sent as it is: the relay would not take it, or it stands on what is not so. */
export function mustReplay(core: Core, writerLast: number, ceiling: number): boolean {
  const { replica } = core;
  if (replica.isDoubled || core.mustRebuild) return true;
  const highest = ceilingOver(ceiling, replica);
  let expected = writerLast;
  for (const mutation of replica.pending.values()) {
    expected += 1;
    if (mutation.number !== expected || mutation.clock > highest) return true;
  }
  return false;
}
