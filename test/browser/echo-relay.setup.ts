import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CotableError, type Acceptor } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import type { TestProject } from 'vitest/node';
import { httpSetup } from '../conformance/http-setup.ts';
import { webSocketSetup } from '../conformance/websocket-setup.ts';
import { mutators, schema } from './notes.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where pages find a WebSocket acceptor that sends each message back. */
    echoUrl: string;
    /** Where nobody listens. */
    silentUrl: string;
    /** The same two over HTTP. */
    httpEchoUrl: string;
    httpSilentUrl: string;
    /** A relay of the notes, on a server that refuses WebSockets. */
    blockedUrl: string;
  }
}

/** A message of this one byte makes the relay close the link with `auth.required`. */
const CLOSE = 255;
/** A message of this one byte is answered with the code of the reason that the last link was closed with. */
const LAST_REASON = 254;

/** Starts the echoes and a relay before the tests of a browser; what it returns ends them after them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [webSocket, http] = [await webSocketSetup(), await httpSetup()];
  echo(webSocket.acceptor);
  echo(http.acceptor);
  const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage() });
  const server = createServer(relay.handle);
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('echoUrl', webSocket.url);
  project.provide('silentUrl', webSocket.unreachableUrl);
  project.provide('httpEchoUrl', http.url);
  project.provide('httpSilentUrl', http.unreachableUrl);
  project.provide('blockedUrl', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    await Promise.all([webSocket.close(), http.close(), relay.close()]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

function echo(acceptor: Acceptor): void {
  let lastReason = '';
  acceptor.start((link) => ({
    opened: () => undefined,
    message(message) {
      const order = message.length === 1 ? message[0] : undefined;
      if (order === CLOSE) link.close(new CotableError('auth.required', {}));
      else link.send(order === LAST_REASON ? new TextEncoder().encode(lastReason) : message);
    },
    closed(reason) {
      lastReason = reason?.code ?? '';
    },
  }));
}
