import { useCallback, useSyncExternalStore } from 'react';
import type { LiveQuery } from '../../src/index.ts';

/** The rows of a query; renders again when they change. The list stays the same object for as long as nothing in it does. */
export function useQuery<Row>(query: LiveQuery<Row>): readonly Row[] {
  const subscribe = useCallback(
    (changed: () => void) => {
      const subscription = query.rows$.subscribe(changed);
      return () => subscription.unsubscribe();
    },
    [query],
  );
  return useSyncExternalStore(subscribe, query.list, query.list);
}
