import { Server } from '@hocuspocus/server';

export async function serve() {
  const server = new Server({ port: 0, address: '127.0.0.1', quiet: true, stopOnSignals: false });
  await server.listen();
  return {
    url: `ws://127.0.0.1:${server.address.port}`,
    stream(room, produce) {
      const document = server.hocuspocus.documents.get(room);
      return produce((delta, offset) => document.broadcastStateless(JSON.stringify({ offset, delta })));
    },
  };
}
