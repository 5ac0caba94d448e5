import { createServer, request as forward, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createStore, type Store, type Transport } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type BackendConfig, type Relay, type RelayOptions } from 'cotable/relay';
import { onTestFinished } from 'vitest';
import { mutatorsWith, schema, type S } from '../spec/support.ts';

export const backend: BackendConfig<S> = { schema, mutators: mutatorsWith(), actions: { answer: async () => ({ text: '' }) } };

/** A relay that ends with the test. */
export function startRelay(options: Partial<RelayOptions<S>> = {}): Relay<S> {
  const relay = createRelay({ backend, storage: memoryRelayStorage(), ...options });
  onTestFinished(() => relay.close());
  return relay;
}

/** A store over these transports that ends with the test. */
export function openStore(transports: readonly Transport[], userId: string): Store<S> {
  const storage = memoryClientStorage({ durable: true });
  const store = createStore({ schema, mutators: mutatorsWith(), room: 'room', storage, transports, userId });
  onTestFinished(() => store.close());
  return store;
}

/** A server of node:http on a free port, which ends with the test. */
export async function serve(listener: RequestListener): Promise<{ readonly server: Server; readonly host: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { server, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A proxy as they stand in companies: it hands on requests and answers, and knows no WebSockets. */
export async function plainProxy(target: string): Promise<{ readonly host: string; readonly upgrades: () => number }> {
  let upgrades = 0;
  const { server, host } = await serve((incoming, outgoing) => {
    const onward = forward(`http://${target}${incoming.url}`, { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.on('upgrade', (_, socket) => {
    upgrades += 1;
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  return { host, upgrades: () => upgrades };
}
