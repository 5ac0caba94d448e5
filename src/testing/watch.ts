import { isCotableError, type CotableError } from '../errors.ts';
import type { JsonObject } from '../util/json.ts';
import type { MutationReceipt, Store } from '../store/types.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { Ledger } from './ledger.ts';
import type { Kind } from './report.ts';
import type { RunLedger } from './run-ledger.ts';
import { watchRuns } from './watch-runs.ts';
import type { Tab } from './world.ts';

/** Which mutations a row shows the effect of, by their ids (`ctx.mutationId`), as far as the row tells. */
export type Marks = (table: string, row: JsonObject) => readonly string[];

/**
 * Notes in the ledger all that a store does. Returns the store for whoever acts in it: its mutations and calls are noted too. A
 * store may only be in error when `isExcused` by its code.
 */
export function watch(
  tab: Tab,
  tables: readonly string[],
  marks: Marks,
  ledger: Ledger,
  runs: RunLedger,
  count: (kind: Kind) => void,
  isExcused: (code: string) => boolean,
): Store<AnySchema> {
  const { store, userId, party } = tab;
  const rejected = new Set<string>();
  const made = new Set<string>();
  let trouble: CotableError | undefined;

  for (const name of tables) {
    store.table(name).changes$.subscribe((changes) => {
      for (const { after } of changes) if (after && party.isAlive) ledger.shows({ userId, made }, marks(name, after));
    });
  }
  store.status$.subscribe(({ state, reason }) => {
    // It stays in error until the next link is level, and tells other things meanwhile.
    const isKnown = reason === trouble || (trouble !== undefined && isCotableError(reason, 'storage.closed'));
    trouble = state === 'error' ? reason : undefined;
    if (state !== 'error' || !party.isAlive || isKnown || (reason && isExcused(reason.code))) return;
    ledger.violated(`${party.name} is in error: ${reason?.code} ${JSON.stringify(reason?.params)}`);
  });
  store.rejections$.subscribe((rejections) => {
    for (const { id } of rejections) rejected.add(id);
    for (const id of rejected) ledger.rejected(id);
  });

  async function mutate(name: string, input: unknown): Promise<MutationReceipt> {
    count('mutations');
    const receipt = await store.mutate[name]?.(input as never);
    if (!receipt) throw new Error(`there is no mutator ${name}`);
    made.add(receipt.id);
    ledger.made(receipt.id, userId);
    receipt.stored.then(
      () => ledger.stored(receipt.id),
      // A store that has no disk any more says so, and sends all the same.
      () => store.status.durable || ledger.unkept(receipt.id),
    );
    receipt.confirmed.then(
      () => {
        count('acks');
        ledger.confirmed(receipt.id);
      },
      (error: unknown) => {
        if (!isCotableError(error, 'store.closed')) ledger.rejected(receipt.id);
      },
    );
    return receipt;
  }

  // What the app sees: the store as it is, save that its mutators and actions are noted.
  const watched: Store<AnySchema> = Object.create(store, {
    action: { value: watchRuns(tab, runs, count) },
    mutate: { value: Object.fromEntries(Object.keys(store.mutate).map((name) => [name, (input: unknown) => mutate(name, input)])) },
  });
  return watched;
}
