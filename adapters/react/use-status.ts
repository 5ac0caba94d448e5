import { useCallback, useSyncExternalStore } from 'react';
import type { AnySchema, StoreStatus } from '../../src/index.ts';
import { useStore } from './store-provider.ts';

/** The status of the store above; renders again when it changes. */
export function useStatus(): StoreStatus {
  const store = useStore<AnySchema>();
  const subscribe = useCallback(
    (changed: () => void) => {
      const subscription = store.status$.subscribe(changed);
      return () => subscription.unsubscribe();
    },
    [store],
  );
  const read = useCallback(() => store.status, [store]);
  return useSyncExternalStore(subscribe, read, read);
}
