import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, defineBackendConfig, type Logger } from 'cotable/relay';
import { mutators } from '../shared/mutators.ts';
import { RELAY_PATH, ROOM, schema } from '../shared/schema.ts';
import { listen } from './listen.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import { createPages } from './pages.ts';

const backend = defineBackendConfig({ schema, mutators });
// Why a link ended is shown by the page at its other end; what is wrong with the relay itself is said here.
const logger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: (fields, message) => console.error(message, fields),
};

async function start(options: Options): Promise<void> {
  const file = join(options.data, 'relay.db');
  await mkdir(options.data, { recursive: true });
  // Only the database: whatever else lies in that folder is not ours.
  if (options.fresh) for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${file}${end}`, { force: true });

  const storage = sqlite(file);
  // Opens the file now: one that cannot be opened is better told here than to the first visitor.
  await storage.openRuns(ROOM);
  const relay = createRelay({ backend, storage, logger });
  const pages = createPages(fileURLToPath(new URL('../page', import.meta.url)), relay.fetch);
  const server = createServer(getRequestListener(pages.fetch));
  relay.attach(server, { path: RELAY_PATH });
  const port = await listen(server, options.port, options.host);

  async function stop(): Promise<void> {
    await relay.close();
    server.close();
    server.closeAllConnections();
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void stop());

  console.log(`Data: ${storage.description}`);
  if (options.port !== 0 && port !== options.port) console.log(`Port ${options.port} is taken; this one is free:`);
  console.log(`Demo: http://${nameOf(options.host)}:${port}/`);
}

/** What a browser on this machine calls a host that a server listens on. */
function nameOf(host: string): string {
  if (['127.0.0.1', '::1', '0.0.0.0', '::'].includes(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) await start(options);
  else console.log(USAGE);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
