import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { CotableError, errorFromBody } from '../../src/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Acceptor, LinkOrigin } from '../../src/ports/transport.ts';
import { watchSilence } from '../silence.ts';
import { createSocketLink } from './socket-link.ts';

export interface WebSocketAcceptorOptions {
  /**
   * Its `upgrade` events are taken from `start` to `stop`; afterwards Node hands them to the server's `request` listener.
   * Left out: the caller hands them to `handleUpgrade`.
   */
  readonly server?: Server;
  /** The only path that is taken; the query does not count. Left out: any. */
  readonly path?: string;
  /**
   * The pages that may connect, as browsers name them: `https://app.example`. Other pages are refused with 403; programs,
   * which send no `Origin` or any they like, are not. Left out: any page.
   */
  readonly origins?: readonly string[];
  /** A longer message closes its link with `protocol.frameTooLarge`. Default: 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Who sends more than this before `greeted` of its link is called is cut off with `protocol.frameTooLarge`. Left out: no limit. */
  readonly maxStrangerBytes?: number;
  /** How long a link may be quiet before it is asked for a sign of life. Default: 25 s. */
  readonly pingMs?: number;
  /** How long it has for that before it is dropped with `protocol.timeout`. Default: 20 s. */
  readonly pongMs?: number;
  readonly clock: Clock;
}

export interface WebSocketAcceptor extends Acceptor {
  /** Takes one `upgrade` event of a `node:http` server: it becomes a link, or is refused with a status. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

type Accept = Parameters<Acceptor['start']>[0];

const REFUSALS = { 403: 'Forbidden', 404: 'Not Found', 503: 'Service Unavailable' } as const;

export function webSocketAcceptor(options: WebSocketAcceptorOptions): WebSocketAcceptor {
  const { server, path, origins, maxMessageBytes = 1024 * 1024 } = options;
  const settings = {
    noServer: true,
    clientTracking: false,
    // A hundred kilobytes that unpack to megabytes are too good a weapon.
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    // A peer that does not answer a close holds its buffers no longer than this. (Not in the types of ws yet.)
    closeTimeout: 10_000,
  };
  const upgrades = new WebSocketServer(settings);
  let accept: Accept | undefined;

  const isOurs = (request: IncomingMessage): boolean => path === undefined || request.url?.split('?', 1)[0] === path;
  const isWelcome = ({ headers }: IncomingMessage): boolean => !origins || !headers.origin || origins.includes(headers.origin);

  const handleUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const take = accept;
    if (!take) return refuse(socket, 503);
    if (!isOurs(request)) return refuse(socket, 404);
    if (!isWelcome(request)) return refuse(socket, 403);
    upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      acceptLink(webSocket, request, take, options, maxMessageBytes);
    });
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Another listener may serve other paths; when there is none, nobody else would answer.
    if (isOurs(request) || server?.listenerCount('upgrade') === 1) handleUpgrade(request, socket, head);
  };

  return {
    start(take) {
      accept = take;
      server?.on('upgrade', onUpgrade);
    },
    stop() {
      accept = undefined;
      server?.off('upgrade', onUpgrade);
    },
    handleUpgrade,
  };
}

function acceptLink(
  webSocket: WebSocket,
  request: IncomingMessage,
  accept: Accept,
  options: WebSocketAcceptorOptions,
  limit: number,
): void {
  const stranger = watchStranger(request.socket, options.maxStrangerBytes, (error) => {
    link.close(error);
    // What it still sends is not waited for.
    webSocket.terminate();
  });
  const { link, end, attach } = createSocketLink(stranger.end);
  attach(webSocket);
  webSocket.on('close', stranger.end);
  webSocket.on('error', (error) => {
    // ws answers with its own close code; here the relay learns why. How long the message was, nobody knows: it was not read.
    const isTooLarge = 'code' in error && error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    if (isTooLarge) end.closed(errorFromBody({ errorCode: 'protocol.frameTooLarge', errorParams: { limit } }));
    else end.closed(new CotableError('protocol.badFrame', { problem: error.message }));
  });
  dropWhenSilent(webSocket, options, (ms) => {
    end.closed(new CotableError('protocol.timeout', { ms }));
    webSocket.terminate();
  });
  end.listen(accept(link, originOf(request)));
  end.opened();
}

/** A message is in memory before it is known to be too long for a stranger, so that bytes are counted as they come in. */
function watchStranger(socket: Duplex, limit: number | undefined, drop: (error: CotableError) => void): { readonly end: () => void } {
  if (limit === undefined) return { end: () => undefined };
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= limit) return;
    end();
    drop(new CotableError('protocol.frameTooLarge', { bytes, limit }));
  };
  const end = (): void => void socket.off('data', count);
  socket.on('data', count);
  return { end };
}

/** Pings a quiet socket, and calls `drop` when it stays quiet. Ends with the socket. */
function dropWhenSilent(webSocket: WebSocket, options: WebSocketAcceptorOptions, drop: (ms: number) => void): void {
  const silence = watchSilence(options, () => webSocket.ping(), drop);
  webSocket.on('pong', silence.heard);
  webSocket.on('message', silence.heard);
  webSocket.on('close', silence.end);
}

function originOf(request: IncomingMessage): LinkOrigin {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  return { ip: request.socket.remoteAddress ?? '', headers };
}

function refuse(socket: Duplex, status: keyof typeof REFUSALS): void {
  // The peer may be gone already; then there is nobody to tell.
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${REFUSALS[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}
