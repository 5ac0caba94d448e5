import type { CotableError } from '../errors.ts';
import type { FlowItem, FlowRequest } from '../flows/events.ts';
import { heard } from '../flows/heard.ts';
import type { FlowRun } from './flow-run.ts';

/** A conversation as it stands; the same object for as long as nothing in it changes. */
export interface SessionState {
  readonly items: readonly FlowItem[];
  /** `loading`: what there is has not come yet. `error`: it did not, as `error` says. */
  readonly status: 'loading' | 'idle' | 'in_progress' | 'error';
  /** Why it could not be read, or why a request that was followed cannot be any more. */
  readonly error: CotableError | undefined;
}

/**
 * A session with its items: what was there, what is sent from here, and what was under way when somebody began to look. What
 * others send meanwhile shows at the next look; a store that opens the same session shows it live.
 */
export interface FlowSession {
  /** `undefined` until the first request of a new session is kept. */
  readonly id: string | undefined;
  readonly state: SessionState;
  /** Reads the session for as long as somebody looks. Called after each change, until the function returned is called. */
  subscribe(changed: () => void): () => void;
  /** As `client.sendAction`, in this session; the first one begins it. */
  sendAction<Out = unknown>(
    name: string,
    input: unknown,
    options?: { readonly signal?: AbortSignal; readonly idempotencyKey?: string },
  ): Promise<FlowRun<Out>>;
}

export function createFlowSession(
  asked: string | undefined,
  way: {
    load(id: string, signal: AbortSignal): Promise<{ readonly items: readonly FlowItem[]; readonly requests: readonly FlowRequest[] }>;
    run(request: FlowRequest, signal: AbortSignal): FlowRun;
    send<Out>(name: string, input: unknown, options: object): Promise<FlowRun<Out>>;
  },
): FlowSession {
  let id = asked;
  let state: SessionState = { items: [], status: id === undefined ? 'idle' : 'loading', error: undefined };
  /** Ends when nobody looks any more. */
  let looking: AbortController | undefined;
  let beginning: Promise<unknown> | undefined;
  const listeners = new Set<() => void>();
  const underWay = new Set<string>();

  function show(change: Partial<SessionState>): void {
    state = { ...state, ...change };
    for (const listener of [...listeners]) listener();
  }

  async function follow(run: FlowRun, signal?: AbortSignal): Promise<void> {
    underWay.add(run.requestId);
    show({ status: 'in_progress' });
    try {
      for await (const event of run) {
        const items = heard(state.items, event);
        if (items !== state.items) show({ items });
      }
    } catch (error) {
      if (!signal?.aborted) show({ error: error as CotableError });
    }
    underWay.delete(run.requestId);
    if (underWay.size === 0 && !signal?.aborted) show({ status: 'idle' });
  }

  async function look(signal: AbortSignal): Promise<void> {
    if (id === undefined) return;
    try {
      const { items, requests } = await way.load(id, signal);
      const ofOthers = items.filter(({ requestId }) => !underWay.has(requestId));
      const own = state.items.filter(({ requestId }) => underWay.has(requestId));
      show({ items: [...ofOthers, ...own], status: underWay.size > 0 ? 'in_progress' : 'idle', error: undefined });
      for (const request of requests) if (!underWay.has(request.id)) void follow(way.run(request, signal), signal);
    } catch (error) {
      if (!signal.aborted) show({ status: 'error', error: error as CotableError });
    }
  }

  return {
    get id() {
      return id;
    },
    get state() {
      return state;
    },
    subscribe(changed) {
      // Each is one of its own, the same function twice too.
      const listener = (): void => changed();
      listeners.add(listener);
      if (listeners.size === 1) void look((looking = new AbortController()).signal);
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) looking?.abort();
      };
    },
    async sendAction<Out>(name: string, input: unknown, options: object = {}) {
      // Two at once must not begin two sessions.
      while (id === undefined && beginning) await beginning.catch(() => undefined);
      const sent = way.send<Out>(name, input, { ...options, sessionId: id });
      if (id === undefined) beginning = sent;
      try {
        const run = await sent;
        id = run.sessionId;
        void follow(run);
        return run;
      } finally {
        beginning = undefined;
      }
    },
  };
}
