import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { httpAcceptor } from '../../transports/http/acceptor.ts';
import { webSocketAcceptor, type WebSocketAcceptor } from '../../transports/websocket/acceptor.ts';
import type { AnyAccess } from '../access/access.ts';
import { assertBoundedReads } from '../doc/check-lib0.ts';
import { checkMutators, type MutatorFunctions } from '../mutation/run.ts';
import type { Backplane } from '../ports/backplane.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import type { Acceptor } from '../ports/transport.ts';
import type { InOf, AnySchema, MutatorName } from '../schema/schema.ts';
import { realClock } from '../util/real-clock.ts';
import { hooksOf, type BackendConfig, type NoPlatform } from './backend.ts';
import { flowsByKind, sessionApps, sessionHooks } from './flows/flow-app.ts';
import { flowRouter } from './flows/router.ts';
import { limitsOf, requireObject, type LimitOptions, type Limits } from './limits.ts';
import type { Platform } from './platform.ts';
import { createRelayOf } from './relay.ts';
import type { RunAdmin } from './runs/admin.ts';
import { policiesOf } from './runs/policy.ts';
import { syncRouter } from './events/http.ts';
import { createStrangers } from './strangers.ts';
import { healthRouter, linkRouter } from './web/routers.ts';
import { createWeb } from './web/web.ts';

export interface RelayOptions<S extends AnySchema, P extends Platform = NoPlatform> {
  readonly backend: BackendConfig<S, P>;
  /** Where rooms are kept: `sqlite(file)`. The relay closes it. */
  readonly storage: RelayStorage;
  /** How events reach members of a room on other relays. Left out: there are none. Who made it closes it. */
  readonly backplane?: Backplane;
  /** Pages that may open links and call, as `https://app.example`. Left out: any, over HTTP without their cookies. */
  readonly origins?: readonly string[];
  readonly limits?: LimitOptions;
  /** Further ways in, besides `listen` and `attach`. */
  readonly acceptors?: readonly Acceptor[];
  /** Default: says nothing. */
  readonly logger?: Logger;
}

export interface Relay<S extends AnySchema> {
  /** Opens a port of its own for WebSockets and for all that `fetch` answers. Port 0: a free one. Rejects when it cannot be had. */
  listen(port?: number, host?: string): Promise<{ readonly url: string; readonly port: number }>;
  /**
   * Takes the WebSockets of a server that is there already: those of `path`, and then others are left to whoever else listens
   * for them; without it, all. The function returned stops that: links that are open stay. Its requests are for `handle` or `fetch`.
   */
  attach(server: Server, options?: { readonly path?: string }): () => void;
  /**
   * Answers everything but WebSockets: the routes of links over HTTP (`/link`), `/openapi.json`, `/healthz`, and an error to
   * anything else. Mount it where you like, with the path above it cut off. `ip`: where the request comes from, for
   * `authenticate`.
   */
  fetch(request: Request, from?: { readonly ip?: string }): Promise<Response>;
  /** The same for a server of `node:http` and what is made of it, such as Express: a request listener. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /**
   * Closes the links of a user with `auth.revoked`, and answers of flows and events that they read. Stores and clients come
   * back by themselves: whether they are let in then is for `authenticate`. Runs that the user asked for go on.
   */
  revoke(userId: string): void;
  /**
   * Asks `authorize` again for the links of a room, or of all rooms: one that may do nothing there any more is closed with
   * `auth.forbidden`, others are told when what they may do has changed. So it asks for answers of flows and events that are
   * being read, and ends those of who may not read there any more. Resolves when each has been asked.
   */
  recheck(room?: string): Promise<void>;
  /** Runs a mutator as the relay (`ctx.userId` is `system`). Resolves when the mutation is kept. */
  mutate<N extends MutatorName<S>>(room: string, name: N, input: InOf<S['mutators'][N]>): Promise<{ readonly id: string }>;
  /** The runs of all rooms: to look at, to cancel, and to take up dead ones again. */
  readonly runs: RunAdmin;
  /**
   * Resolves when no run, of one room or of all, is at work, due or between two attempts, all that was accepted is kept, and
   * links have got what there is for them. Runs for a later time, and those whose function is missing, are not waited for.
   * Closes nothing.
   */
  drain(room?: string): Promise<void>;
  /**
   * Shuts down: takes no more links, begins no more runs and lets those at work end for `graceMs` (10 seconds), aborts those
   * that have not (they are begun again at the next start), keeps and acknowledges what was accepted, closes the links with
   * `relay.closed` (stores come back by themselves), frees the port and closes the storage. Call it on SIGTERM.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/** So long the last words of links over HTTP may take, to who reads slowly. */
const LAST_WORDS_MS = 1_000;

const SILENT: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * A relay: keeps rooms, tells members what was kept, runs mutators for the server. Throws `schema.invalid` when a
 * mutator is missing or a policy of an action cannot be, `relay.invalidOption` for a storage or limit that cannot be, and an `Error` when Yjs stands on a lib0 that is not safe. It owns `storage` from here on; nothing
 * listens before `listen` or `attach`.
 */
export function createRelay<S extends AnySchema, P extends Platform = NoPlatform>(options: RelayOptions<S, P>): Relay<S> {
  for (const path of ['backend', 'storage'] as const) requireObject(path, options[path]);
  const limits = limitsOf(options.limits);
  const { schema } = options.backend;
  const mutators: MutatorFunctions = options.backend.mutators;
  checkMutators(schema, mutators);
  assertBoundedReads();
  const clock = realClock();
  const flows = flowsByKind(options.backend.flows ?? []);
  const hooks = hooksOf(options.backend);
  const core = createRelayOf({
    schema,
    mutators,
    actions: policiesOf(options.backend),
    // Its rules were checked against the schema where the backend was given.
    access: options.backend.access as AnyAccess | undefined,
    otherApp: sessionApps(flows, schema.session),
    hooks: flows.size > 0 ? sessionHooks(hooks, flows) : hooks,
    platform: options.backend.platform ?? {},
    events: { ...options.backend, backplane: options.backplane },
    storage: options.storage,
    clock,
    random: Math.random,
    logger: options.logger ?? SILENT,
    limits,
  });
  const { origins, logger = SILENT } = options;
  const attachment = {
    origins,
    maxMessageBytes: limits.messageBytes,
    // With what a transport puts around it.
    maxStrangerBytes: 2 * limits.greetingBytes,
    pingMs: limits.pingMs,
    pongMs: limits.pongMs,
    clock,
  };
  const http = httpAcceptor(attachment);
  // Every door over HTTP is a router here.
  const { events, guard } = core;
  const eventRouters = events.table.all.length > 0 ? [syncRouter({ events, guard, random: Math.random, clock, logger })] : [];
  const routers = [healthRouter(core.health), linkRouter(http), ...eventRouters];
  if (flows.size > 0) routers.push(flowRouter({ flows, guard, desk: core.desk, clock, logger, limits, isOpen: !hooks.authenticate }));
  const web = createWeb({ schema, routers, origins, maxBodyBytes: limits.messageBytes, logger });
  const listener = getRequestListener(
    (request, env) => {
      // A server of node:http has no other.
      const { socket } = (env as { readonly incoming: IncomingMessage }).incoming;
      return web.fetch(request, { ip: socket.remoteAddress ?? '', cut: () => socket.destroy() });
    },
    // The process is not the relay's alone.
    { overrideGlobalObjects: false },
  );
  const handle: Relay<S>['handle'] = (request, response) => void listener(request, response);
  const acceptors = new Set<Acceptor>([http, ...(options.acceptors ?? [])]);
  const servers = new Set<Server>();
  for (const acceptor of acceptors) acceptor.start(core.accept);

  function attach(server: Server, { path }: { readonly path?: string } = {}): () => void {
    const acceptor: WebSocketAcceptor = webSocketAcceptor({ ...attachment, server, path });
    acceptor.start(core.accept);
    acceptors.add(acceptor);
    return () => {
      acceptor.stop();
      acceptors.delete(acceptor);
    };
  }

  return {
    attach,
    fetch: (request, { ip = '' } = {}) => web.fetch(request, { ip, cut: () => undefined }),
    handle,
    mutate: (room, name, input) => core.mutate(room, name, input),
    revoke: core.revoke,
    recheck: core.recheck,
    runs: core.runs,
    drain: core.drain,

    async listen(port = 0, host = '127.0.0.1') {
      const server = createServer(slowRequests(limits.helloMs), handle);
      boundWaiting(server, limits);
      attach(server);
      servers.add(server);
      await new Promise<void>((resolve, refuse) => {
        server.once('error', refuse);
        server.listen(port, host, resolve);
      });
      const address = server.address();
      const bound = typeof address === 'object' && address ? address.port : port;
      return { url: `ws://${host.includes(':') ? `[${host}]` : host}:${bound}`, port: bound };
    },

    async close({ graceMs = 10_000 } = {}) {
      for (const acceptor of acceptors) acceptor.stop();
      // A link that comes now is nobody's: left open, it would keep its server from ever closing.
      for (const server of servers) server.on('upgrade', ({ socket }: IncomingMessage) => socket.destroy());
      await core.close(graceMs);
      await http.flushed(LAST_WORDS_MS);
      await Promise.all(
        [...servers].map((server) => {
          const closed = new Promise<void>((done) => server.close(() => done()));
          server.closeAllConnections();
          return closed;
        }),
      );
    },
  };
}

/** Who takes longer to ask for something is cut off by Node. */
function slowRequests(ms: number): ServerOptions {
  return { headersTimeout: ms, requestTimeout: ms, connectionsCheckingInterval: Math.min(ms, 1_000) };
}

/** Connections that have asked for nothing yet are strangers too: of these many may wait, and the oldest go first. */
function boundWaiting(server: Server, limits: Limits): void {
  const strangers = createStrangers(limits);
  const leaving = new WeakMap<object, () => void>();
  server.on('connection', (socket) => {
    const leave = strangers.arrive(socket.remoteAddress ?? '', () => socket.destroy());
    leaving.set(socket, leave);
    socket.once('close', leave);
  });
  // What they ask for is counted by those who answer: a link is a stranger of its own.
  for (const asked of ['upgrade', 'request']) server.on(asked, ({ socket }: IncomingMessage) => leaving.get(socket)?.());
}
