import type { CotableError, Store, StoreStatus } from 'cotable';
import { StoreProvider, useQuery, useRun, useStatus, useStore, type RunNow } from 'cotable/react';
import { createElement } from 'react';
import type { Equal, Expect } from './expect.ts';
import { store, type S } from './fixture.ts';

export function Component(): unknown {
  const used = useStore<S>();
  const rows = useQuery(used.table('people'));
  const status = useStatus();
  type Used = [
    Expect<Equal<typeof used, Store<S>>>,
    Expect<Equal<typeof rows, readonly Readonly<{ name: string }>[]>>,
    Expect<Equal<typeof status, StoreStatus>>,
  ];
  const checked: Used = [true, true, true];

  // @ts-expect-error rows are frozen
  rows.forEach((row) => (row.name = 'changed'));
  // @ts-expect-error there is no such table
  useQuery(used.table('person'));
  // @ts-expect-error a query, not a list of rows
  useQuery(rows);
  // @ts-expect-error it cannot be told which store that is
  useStore().mutate.add({ id: 'a' });
  // @ts-expect-error there is no such mutator
  void used.mutate.remove({ id: 'a' });
  return [checked, createElement(StoreProvider, { store })];
}

export function Run(): unknown {
  const run = useRun(store.run('summarize', 'id'));
  const called = useRun(store.action.measure('text'));
  // @ts-expect-error a handle, not what it gives
  useRun(store.run('summarize', 'id').result);
  // @ts-expect-error there is no such action
  useRun(store.run('shorten', 'id'));
  type Output = { text: string; words: number; from?: string | undefined };
  type Used = [
    Expect<Equal<typeof run, RunNow<Output>>>,
    Expect<Equal<(typeof run)['output'], Output | undefined>>,
    Expect<Equal<typeof called, RunNow<number>>>,
  ];
  const checked: Used = [true, true, true];
  if (run.status === 'succeeded') {
    const done: [Expect<Equal<typeof run.output, Output>>, Expect<Equal<typeof run.error, undefined>>] = [true, true];
    return done;
  }
  if (run.status === 'failed' || run.status === 'canceled' || run.status === 'expired') {
    const ended: Expect<Equal<typeof run.error, CotableError>> = true;
    return ended;
  }
  // @ts-expect-error it goes on
  void run.error.code;
  return checked;
}

export function withoutStore(): unknown {
  // @ts-expect-error a provider has a store
  return createElement(StoreProvider, {});
}
