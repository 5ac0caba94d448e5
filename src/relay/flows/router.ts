import type { Context } from 'hono';
import { CotableError, type Issue } from '../../errors.ts';
import { inOrder, type FlowRow } from '../../flows/session.ts';
import type { FlowEvent } from '../../flows/events.ts';
import { checkKey } from '../../mutation/enqueue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { StoredRun } from '../../ports/run-storage.ts';
import { validate } from '../../schema/validator.ts';
import { toFrozenJson, type JsonPath, type JsonValue } from '../../util/json.ts';
import type { Caller, Guard } from '../guard.ts';
import type { Limits } from '../limits.ts';
import { createRateLimit } from '../rate-limit.ts';
import type { RunDesk } from '../run-desk.ts';
import { EVENT_STREAM_HEADERS, toEventStream, type ServerSentEvent } from '../web/event-stream.ts';
import type { Router, WebEnv } from '../web/router.ts';
import type { AnyFlowAction, ServedFlow } from './define-flow.ts';
import { actionNameOf, requestOf } from './flow-app.ts';
import { freshSecret, placeOf, secretOf, sessionName } from './names.ts';
import { flowPaths } from './paths.ts';
import { lastEvent, placeOfId, standOf, tell, type Place } from './tell.ts';

type Web = Context<WebEnv>;

const MINUTE = 60_000;
/** When to ask again where there is no room for a request. */
const AGAIN_S = 1;

/** What a request brings. */
interface Asked {
  readonly input: unknown;
  readonly userId: string | undefined;
}

/**
 * Flows over HTTP: a request is a run of its session's room, its events are the stream of that run. Nothing of it is kept, repeated
 * or timed here.
 */
export function flowRouter(options: {
  readonly flows: ReadonlyMap<string, ServedFlow>;
  readonly guard: Guard;
  readonly desk: RunDesk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Pick<Limits, 'flowRequests' | 'flowRequestsPerMinute'>;
  /** Nobody is asked who they are: then the name of a request or a session is all that is needed to read it. */
  readonly isOpen: boolean;
}): Router {
  const { flows, guard, desk, clock, logger, limits, isOpen } = options;
  const rate = createRateLimit(MINUTE, clock.now);

  function flowOf(kind: string, action = ''): ServedFlow {
    const flow = flows.get(kind);
    if (!flow) throw new CotableError('flow.unknown', { kind, action });
    return flow;
  }

  function actionOf(kind: string, action: string): AnyFlowAction {
    const { actions } = flowOf(kind, action);
    const declared = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!declared) throw new CotableError('flow.unknown', { kind, action });
    return declared;
  }

  /** `undefined`: somebody who has a name that nobody guesses, where nobody is asked who they are. */
  async function readerOf({ req, var: { handshake } }: Web): Promise<Caller | undefined> {
    const claimed = req.query('userId');
    return isOpen && claimed === undefined ? undefined : guard.identify(handshake, claimed);
  }

  async function mustWrite(caller: Caller, room: string): Promise<void> {
    if (!(await guard.mayWrite(caller, room))) throw new CotableError('auth.forbidden', { room });
  }

  async function send(context: Web, kind: string, action: string, session: string | undefined): Promise<Response> {
    const { inputSchema } = actionOf(kind, action);
    const asked = await bodyOf(context);
    const caller = await guard.identify(context.var.handshake, asked.userId);
    const seconds = rate.take(caller.userId, limits.flowRequestsPerMinute);
    if (seconds > 0) throw new CotableError('limit.rate', { seconds });
    validate(inputSchema, asked.input, `actions.${action}.inputSchema`, refuse);
    const key = context.req.header('idempotency-key');
    if (key !== undefined) checkKey(action, key);
    const room = await roomFor(caller, kind, action, session, key);
    const id = key === undefined ? freshSecret() : secretOf('request', caller.userId, action, key);
    const isThere = key !== undefined && (await desk.find(room, id)) !== undefined;
    if (!isThere) await mustHaveRoom();
    const name = actionNameOf(kind, action);
    const { userId, session: said } = caller;
    const run = await desk.ask({ id, name, input: asked.input, key }, { userId, session: said, room });
    const request = requestOf(kind, run);
    if (!wantsEvents(context)) {
      // Seen from the path of the action, wherever the relay is mounted.
      const location = `${session === undefined ? '..' : '../..'}/requests/${request.id}/status`;
      const body = { status: 'in_progress', requestId: request.id, request, session: { id: room } };
      return context.json(body, 202, { location });
    }
    // In the place of that of the HTTP request: this one is worth keeping.
    context.header('x-request-id', request.id);
    context.header('x-session-id', room);
    return eventsOf(context, kind, run, caller, undefined);
  }

  /** A session that is there, a new one, or that which this key has made. */
  async function roomFor(
    caller: Caller,
    kind: string,
    action: string,
    session: string | undefined,
    key: string | undefined,
  ): Promise<string> {
    if (session === undefined) {
      const { userId } = caller;
      const room = sessionName(kind, userId, key === undefined ? freshSecret() : secretOf('session', kind, userId, action, key));
      await mustWrite(caller, room);
      return room;
    }
    if (!session.startsWith(`${kind}~`) || !(await desk.isKnown(session))) throw new CotableError('flow.sessionNotFound', { session });
    await mustWrite(caller, session);
    return session;
  }

  async function mustHaveRoom(): Promise<void> {
    const limit = limits.flowRequests;
    if (!(await desk.hasRoom(limit))) throw new CotableError('flow.capacity', { limit, seconds: AGAIN_S });
  }

  /** A request that the caller may look at, or do something to. */
  async function find(
    context: Web,
    kind: string,
    requestId: string,
    isToWrite = false,
  ): Promise<{ readonly run: StoredRun; readonly caller: Caller | undefined }> {
    flowOf(kind);
    const place = placeOf(kind, requestId);
    const caller = await readerOf(context);
    const run = place && (await desk.find(place.room, place.run));
    if (!run) throw new CotableError('run.notFound', { run: requestId });
    if (caller && isToWrite) await mustWrite(caller, run.room);
    else if (caller) await guard.mayWrite(caller, run.room);
    return { run, caller };
  }

  function eventsOf(context: Web, kind: string, run: StoredRun, caller: Caller | undefined, from: Place | undefined): Response {
    const left = new AbortController();
    const cut = caller && guard.reading(caller, run.room, left.signal);
    const { userId } = caller ?? run;
    const events = written(tell(desk, kind, run, { userId, sessionId: freshSecret() }, from, left.signal));
    const failed = (error: unknown): void => logger.info({ room: run.room, run: run.id, error }, 'events of a request broke off');
    const until = caller?.expiresAt ?? Infinity;
    return context.body(toEventStream(events, { clock, until, cut, left, failed }), 200, EVENT_STREAM_HEADERS);
  }

  async function stream(context: Web, kind: string, requestId: string): Promise<Response> {
    const { run, caller } = await find(context, kind, requestId);
    const from = placeOfId(context.req.header('last-event-id') ?? context.req.query('starting_after'));
    // Nothing comes any more: a client of server-sent events does not ask again.
    if (from?.isEnd && run.ending && run.attempt <= from.attempt) return context.body(null, 204);
    return eventsOf(context, kind, run, caller, from);
  }

  async function status(context: Web, kind: string, requestId: string): Promise<Response> {
    const { run } = await find(context, kind, requestId);
    const request = requestOf(kind, run);
    const last = lastEvent(kind, run);
    return context.json({
      status: standOf(run),
      requestId: request.id,
      request,
      session: { id: run.room },
      ...(last?.type === 'request.completed' && { result: last.result }),
      ...(last?.type === 'request.failed' && { error: last.error }),
    });
  }

  async function abort(context: Web, kind: string, requestId: string): Promise<Response> {
    const { run } = await find(context, kind, requestId, true);
    await desk.cancel(run.room, run.id);
    return context.body(null, 204);
  }

  /** A session as it stands: its items, and the requests that are under way. */
  async function session(context: Web, kind: string, room: string): Promise<Response> {
    flowOf(kind);
    const caller = await readerOf(context);
    if (!room.startsWith(`${kind}~`) || !(await desk.isKnown(room))) throw new CotableError('flow.sessionNotFound', { session: room });
    if (caller) await guard.mayWrite(caller, room);
    const under = await desk.unfinished(limits.flowRequests, room);
    const rows = (await desk.rows(room, 'items')) as readonly FlowRow[];
    return context.json({ session: { id: room }, items: inOrder(rows), requests: under.map((run) => requestOf(kind, run)) });
  }

  return {
    paths: flowPaths(flows, isOpen),
    mount(app) {
      const base = '/api/flows/:kind';
      app.post(`${base}/actions/:action`, (context) => send(context, context.req.param('kind'), context.req.param('action'), undefined));
      app.post(`${base}/:session/actions/:action`, (context) => {
        const { kind, session: id, action } = context.req.param();
        return send(context, kind, action, id);
      });
      app.get(`${base}/requests/:request/stream`, (context) => stream(context, context.req.param('kind'), context.req.param('request')));
      app.get(`${base}/requests/:request/status`, (context) => status(context, context.req.param('kind'), context.req.param('request')));
      app.post(`${base}/requests/:request/abort`, (context) => abort(context, context.req.param('kind'), context.req.param('request')));
      app.get(`${base}/:session`, (context) => session(context, context.req.param('kind'), context.req.param('session')));
    },
  };
}

function wantsEvents({ req }: Web): boolean {
  return /\btext\/event-stream\b/i.test(req.header('accept') ?? '');
}

async function* written(events: AsyncIterable<FlowEvent>): AsyncGenerator<ServerSentEvent, void, undefined> {
  for await (const event of events) yield { id: event.id, event: event.type, data: event };
}

async function bodyOf({ req }: Web): Promise<Asked> {
  let body: unknown;
  try {
    body = JSON.parse(await req.text());
  } catch (error) {
    // What was too long is no mistake of its writer's JSON.
    if (!(error instanceof SyntaxError)) throw error;
    return refuse([{ message: 'the body is not JSON', path: [] }]);
  }
  const { input, userId } =
    typeof body === 'object' && body !== null ? (body as { readonly input?: unknown; readonly userId?: unknown }) : {};
  if (userId !== undefined && typeof userId !== 'string') return refuse([{ message: 'expected a string', path: ['userId'] }]);
  return { input: checked(input), userId };
}

function checked(input: unknown): JsonValue {
  if (input === undefined) return refuse([{ message: 'expected { "input": ... }', path: ['input'] }]);
  return toFrozenJson(input, ({ path, found }) => refuse([{ message: `it is ${found}`, path: ['input', ...path] }]));
}

/** Path first: that is what somebody looks for. */
function refuse(issues: readonly Issue[]): never {
  const [first] = issues;
  const path: JsonPath = first?.path ?? [];
  const problem = `${path.length > 0 ? `${path.join('.')}: ` : ''}${first?.message ?? 'it does not fit'}`;
  throw new CotableError('flow.invalidInput', { problem, issues });
}
