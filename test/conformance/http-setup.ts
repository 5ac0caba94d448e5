import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { http } from 'cotable/transports/http';
import { httpAcceptor, type HttpAcceptor, type HttpAcceptorOptions } from '#http-acceptor';
import type { Transport } from '../../src/ports/transport.ts';
import { realClock } from './real-clock.ts';

export interface HttpSetup {
  readonly server: Server;
  readonly url: string;
  readonly transport: Transport;
  readonly acceptor: HttpAcceptor;
  readonly unreachable: Transport;
  /** An address where nobody listens. */
  readonly unreachableUrl: string;
  sever(): void;
  close(): Promise<void>;
}

/** A real server on a free port of this machine, with an acceptor that is not started yet. */
export async function httpSetup(
  options: Partial<HttpAcceptorOptions> & {
    readonly around?: (request: Request, answer: () => Promise<Response>) => Promise<Response>;
  } = {},
): Promise<HttpSetup> {
  const { around = (_, answer) => answer(), ...rest } = options;
  const acceptor = httpAcceptor({ clock: realClock, ...rest });
  const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*', 'access-control-allow-methods': '*' };
  const server = createServer(
    getRequestListener(
      async (request, env) => {
        if (request.method === 'OPTIONS') return new Response(null, { headers });
        const { incoming } = env as { incoming: IncomingMessage };
        const response = await around(request, () =>
          acceptor.fetch(request, { ip: incoming.socket.remoteAddress ?? '', cut: () => incoming.socket.destroy() }),
        );
        for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
        return response;
      },
      { overrideGlobalObjects: false },
    ),
  );
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(server);
  const nobody = createServer();
  const freePort = await listen(nobody);
  await closeServer(nobody);
  const unreachableUrl = `http://127.0.0.1:${freePort}`;
  const sever = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    transport: http(`http://127.0.0.1:${port}`),
    acceptor,
    unreachable: http(unreachableUrl),
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
