import { useCallback, useRef, useSyncExternalStore } from 'react';
import type { CotableError, RunHandle, RunStatus } from '../../src/index.ts';

/** How a run of an action ended badly. */
type Ended = 'failed' | 'canceled' | 'expired';

/** A run as it stands; the same object for as long as nothing in it changes. */
export type RunNow<Result> =
  | { readonly status: Exclude<RunStatus, 'succeeded' | Ended>; readonly output: undefined; readonly error: undefined }
  | { readonly status: 'succeeded'; readonly output: Result; readonly error: undefined }
  | { readonly status: Ended; readonly output: undefined; readonly error: CotableError };

/**
 * How a run stands, and what it gave: `useRun(store.run('answer', runId))`, or the handle of a call. Renders again when its
 * status changes; output or error come with the status that says that it has ended.
 */
export function useRun<Result>(handle: RunHandle<Result, unknown, unknown>): RunNow<Result> {
  const subscribe = useCallback(
    (changed: () => void) => {
      const subscription = handle.status$.subscribe(changed);
      return () => subscription.unsubscribe();
    },
    [handle],
  );
  const last = useRef<RunNow<Result>>(undefined);
  const read = useCallback(() => {
    const { status, output, error } = handle;
    // A handle tells both with the status.
    if (last.current?.status !== status || last.current.output !== output || last.current.error !== error) {
      last.current = { status, output, error } as RunNow<Result>;
    }
    return last.current;
  }, [handle]);
  return useSyncExternalStore(subscribe, read, read);
}
