import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { listen } from './listen.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import { createPages } from './pages.ts';
import { supervise } from './supervisor.ts';

async function start(options: Options): Promise<void> {
  const file = join(options.data, 'relay.db');
  await mkdir(options.data, { recursive: true });
  // Only the database: whatever else lies in that folder is not ours.
  if (options.fresh) for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${file}${end}`, { force: true });

  const relay = await supervise({ file, pace: options.pace, host: options.host, port: options.port && options.port + 1 }, (error) => {
    fail(error);
    void stop();
  });
  const pages = createPages(fileURLToPath(new URL('../page', import.meta.url)), relay);
  const server = createServer(getRequestListener(pages.fetch));
  const { storage, bot } = await relay.ready();
  // Nothing may be left behind when there is no port for the page.
  const port = await listen(server, options.port, options.host).catch(async (error: unknown) => {
    await relay.stop();
    throw error;
  });

  async function stop(): Promise<void> {
    await relay.stop();
    server.close();
    server.closeAllConnections();
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void stop());

  console.log(`Data: ${storage}`);
  console.log(`Bot: ${bot}`);
  if (options.port !== 0 && port !== options.port) console.log(`Port ${options.port} is taken; this one is free:`);
  console.log(`Demo: http://${nameOf(options.host)}:${port}/`);
}

/** What a browser on this machine calls a host that a server listens on. */
function nameOf(host: string): string {
  if (['127.0.0.1', '::1', '0.0.0.0', '::'].includes(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

function fail(error: unknown): void {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) await start(options);
  else console.log(USAGE);
} catch (error) {
  fail(error);
}
