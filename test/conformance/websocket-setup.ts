import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { webSocket } from 'cotable/transports/websocket';
import { WebSocket } from 'ws';
import { webSocketAcceptor, type WebSocketAcceptor, type WebSocketAcceptorOptions } from '#websocket-acceptor';
import type { Transport } from '../../src/ports/transport.ts';
import { realClock } from './real-clock.ts';

export interface WebSocketSetup {
  readonly server: Server;
  /** `ws://` and the port that the server was given. */
  readonly url: string;
  readonly transport: Transport;
  readonly acceptor: WebSocketAcceptor;
  readonly unreachable: Transport;
  /** An address where nobody listens. */
  readonly unreachableUrl: string;
  sever(): void;
  close(): Promise<void>;
}

/** A real server on a free port of this machine, with an acceptor that is not started yet. */
export async function webSocketSetup(options: Partial<WebSocketAcceptorOptions> = {}): Promise<WebSocketSetup> {
  // Without an `upgrade` listener, the request for one is a request like any other.
  const server = createServer((_, response) => void response.writeHead(426).end());
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(server);
  const acceptor = webSocketAcceptor({ server, clock: realClock, ...options });
  const nobody = createServer();
  const freePort = await listen(nobody);
  await closeServer(nobody);
  const unreachableUrl = `ws://127.0.0.1:${freePort}`;
  const sever = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    server,
    url: `ws://127.0.0.1:${port}`,
    transport: webSocket(`ws://127.0.0.1:${port}`, { WebSocket }),
    acceptor,
    unreachable: webSocket(unreachableUrl, { WebSocket }),
    unreachableUrl,
    sever,
    async close() {
      acceptor.stop();
      sever();
      await closeServer(server);
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
}
