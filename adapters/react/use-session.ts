import {
  createContext,
  createElement,
  useContext,
  useMemo,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';
import type {
  AnyFlow,
  FlowActionName,
  FlowClient,
  FlowInputOf,
  FlowResultOf,
  FlowRun,
  SendOptions,
  SessionState,
} from '../../src/client/index.ts';

const ClientContext = createContext<FlowClient | undefined>(undefined);

/** Hands a client of a flow to the components below. */
export function FlowProvider(props: { readonly client: FlowClient; readonly children?: ReactNode }): ReactElement {
  return createElement(ClientContext.Provider, { value: props.client }, props.children);
}

/** A session as it stands, and how to send in it. */
export interface SessionNow<F extends AnyFlow> extends SessionState {
  /** `undefined` until the first request of a new session is kept. */
  readonly sessionId: string | undefined;
  /** Sends a request in this session; the first one begins a new one. The same function for as long as the session is. */
  readonly sendAction: <N extends FlowActionName<F>>(
    name: N,
    input: FlowInputOf<F, N>,
    options?: Omit<SendOptions, 'sessionId'>,
  ) => Promise<FlowRun<FlowResultOf<F, N>>>;
}

/**
 * A session of the flow whose client the nearest {@link FlowProvider} has: `useSession<typeof myFlow>(sessionId)`. Renders again
 * with each change. Without an id it is a new one; to go on when the app hands in the id that it then got is to stay in it.
 * Throws where there is no provider.
 */
export function useSession<F extends AnyFlow = never>(sessionId?: string): SessionNow<F> {
  const client = useContext(ClientContext);
  if (!client) throw new Error('useSession() needs a <FlowProvider client={...}> above it');
  const [held, hold] = useState(() => ({ client, asked: sessionId, session: client.session(sessionId) }));
  let now = held;
  if (held.client !== client || held.asked !== sessionId) {
    const isBegun = held.client === client && sessionId !== undefined && held.session.id === sessionId;
    now = { client, asked: sessionId, session: isBegun ? held.session : client.session(sessionId) };
    hold(now);
  }
  const { session } = now;
  const read = (): SessionState => session.state;
  const state = useSyncExternalStore(session.subscribe, read, read);
  return useMemo(
    () => ({ ...state, sessionId: session.id, sendAction: session.sendAction as SessionNow<F>['sendAction'] }),
    [state, session],
  );
}
