import type { RunEnding } from '../ports/run-storage.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { RunHandleOf, RunItem, RunStatus, Store } from '../store/types.ts';
import type { Kind } from './report.ts';
import type { RunLedger } from './run-ledger.ts';
import type { Tab } from './world.ts';

const ENDED: ReadonlySet<RunStatus> = new Set(['succeeded', 'failed', 'canceled', 'expired']);

/** Notes in the ledger what a store tells of runs. Returns its actions for whoever asks for some: those runs are noted too. */
export function watchRuns({ store, party }: Tab, ledger: RunLedger, count: (kind: Kind) => void): Store<AnySchema>['action'] {
  const told = new Map<string, RunItem>();
  store.runs$.subscribe((items) => {
    for (const item of items) {
      if (told.get(item.id) === item) continue;
      told.set(item.id, item);
      if (party.isAlive && isEnded(item.status)) ledger.shown(item.id, item.status);
    }
  });

  function note(handle: RunHandleOf<AnySchema, string>): RunHandleOf<AnySchema, string> {
    count('calls');
    handle.accepted.then(
      () => ledger.acknowledged(handle.id),
      // It never will be: nothing was promised.
      () => undefined,
    );
    return handle;
  }

  return Object.fromEntries(
    Object.entries(store.action).map(([name, call]) => [name, (...asked: Parameters<typeof call>) => note(call(...asked))]),
  );
}

export function isEnded(status: RunStatus): status is RunEnding['status'] {
  return ENDED.has(status);
}
