import type { Server } from 'node:http';

/** Opens a port and tells which: the wanted one, or a free one when somebody else has it. Rejects when neither can be had. */
export async function listen(server: Server, port: number, host: string): Promise<number> {
  try {
    return await open(server, port, host);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    return open(server, 0, host);
  }
}

function open(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}
