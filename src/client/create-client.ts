import { CotableError } from '../errors.ts';
import type { FlowItem, FlowRequest } from '../flows/events.ts';
import { createAsking, type Fetch } from './asking.ts';
import { createFlowSession, type FlowSession } from './flow-session.ts';
import { createFlowRun, type FlowRun } from './flow-run.ts';

/** How a flow is reached. */
export interface ClientOptions {
  readonly flowKind: string;
  /** Who asks; taken only by a relay that does not authenticate. */
  readonly userId?: string;
  /** Where the relay's routes lie: `https://relay.example`, or a path. Default: the page's own origin. */
  readonly baseUrl?: string;
  /** Called before each request; what it gives is shown to the relay in the header `Authorization`. */
  readonly token?: () => string | Promise<string>;
  /** Takes the place of the global one, to send cookies to another origin, say. */
  readonly fetch?: Fetch;
}

export interface SendOptions {
  /** The conversation it belongs to. Left out: it begins a new one. */
  readonly sessionId?: string;
  /** Ends the sending and the reading of events, with its reason; the request goes on. */
  readonly signal?: AbortSignal;
  /**
   * The same again is the same request, for 24 hours. 1 to 256 printable characters of ASCII, since it is a header: another one is
   * refused with `action.invalidInput`. Default: one of its own, so that it is sent once however often it has to be.
   */
  readonly idempotencyKey?: string;
}

export interface FlowClient {
  /**
   * Sends a request; resolves when the relay keeps it, not when it is done: `await run.result` for that. Rejects with the code of
   * a refusal, `flow.invalidInput` with its issues for one. What gets no answer is sent again, for about 10 seconds; then it
   * rejects with `request.unanswered`.
   */
  sendAction<Out = unknown>(name: string, input: unknown, options?: SendOptions): Promise<FlowRun<Out>>;
  /** A session to look at and to send in; without an id a new one. Asks nothing until somebody subscribes or sends. */
  session(sessionId?: string): FlowSession;
  /** A request that was sent before, on another device or before a reload. Asks nothing until somebody looks at it. */
  run<Out = unknown>(request: FlowRequest, options?: { readonly signal?: AbortSignal }): FlowRun<Out>;
}

/** A request that gets no answer is sent so often, within about 10 seconds. */
const TRIES = 6;

/** A client of one flow. Opens nothing, and has nothing to close. */
export function createClient({ flowKind, userId, baseUrl = '', token, fetch: own }: ClientOptions): FlowClient {
  const asking = createAsking({
    url: `${baseUrl.replace(/\/$/, '')}/api/flows/${encodeURIComponent(flowKind)}`,
    userId,
    token,
    fetch: own ?? ((url, init) => fetch(url, init)),
  });
  const client: FlowClient = {
    async sendAction<Out>(name: string, input: unknown, { sessionId, signal, idempotencyKey = newKey() }: SendOptions = {}) {
      if (!/^[ -~]{1,256}$/.test(idempotencyKey)) {
        throw new CotableError('action.invalidInput', {
          name,
          issues: [{ message: 'expected 1 to 256 of ASCII', path: ['idempotencyKey'] }],
        });
      }
      const path = `${sessionId === undefined ? '' : `/${encodeURIComponent(sessionId)}`}/actions/${encodeURIComponent(name)}`;
      const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey };
      const body = JSON.stringify({ input, userId });
      const sent: FlowRequest[] = [];
      const post = async (): Promise<void> => {
        const response = await asking.fetch('POST', path, { headers, body, signal });
        sent.push(((await response.json()) as { readonly request: FlowRequest }).request);
      };
      await asking.patiently(post, () => sent.length > 0, { signal, tries: TRIES });
      return createFlowRun<Out>(asking, sent[0] as FlowRequest, signal);
    },
    session: (sessionId) =>
      createFlowSession(sessionId, {
        async load(id, signal) {
          const response = await asking.fetch('GET', `/${encodeURIComponent(id)}`, { signal });
          return (await response.json()) as { readonly items: readonly FlowItem[]; readonly requests: readonly FlowRequest[] };
        },
        run: (request, signal) => client.run(request, { signal }),
        send: client.sendAction,
      }),
    run: (request, { signal } = {}) => createFlowRun(asking, request, signal),
  };
  return client;
}

/** Not `randomUUID`: a page that came over plain HTTP has none. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
