import type { Store, StoreStatus } from 'cotable';
import { StoreProvider, useQuery, useStatus, useStore } from 'cotable/react';
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

export function withoutStore(): unknown {
  // @ts-expect-error a provider has a store
  return createElement(StoreProvider, {});
}
