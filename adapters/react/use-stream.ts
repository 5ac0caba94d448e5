import { useCallback, useRef, useSyncExternalStore } from 'react';
import type { StreamView } from '../../src/index.ts';

/** A stream as it stands; the same object for as long as nothing in it changes. */
export interface StreamNow<State> {
  readonly state: State;
  /** Whether it goes on: once it does not, the row that the run wrote is there. */
  readonly open: boolean;
}

/** What a run says, as it grows: `useStream(store.stream('answer', runId))`. Renders again with each change, and when it ends. */
export function useStream<Piece, State>(view: StreamView<Piece, State>): StreamNow<State> {
  const subscribe = useCallback(
    (changed: () => void) => {
      const subscription = view.state$.subscribe(changed);
      // Gone counts as ended.
      view.ended.then(changed, changed);
      return () => subscription.unsubscribe();
    },
    [view],
  );
  const last = useRef<StreamNow<State>>(undefined);
  const read = useCallback(() => {
    const { state, open } = view;
    if (last.current?.state !== state || last.current.open !== open) last.current = { state, open };
    return last.current;
  }, [view]);
  return useSyncExternalStore(subscribe, read, read);
}
