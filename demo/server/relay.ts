// The relay's process: `relay.js FILE PACE HOST PORT`, started by the supervisor, which hears when it can be reached.
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, type Logger, type Relay } from 'cotable/relay';
import type { ChatSchema } from '../shared/schema.ts';
import { chatBackend } from './backend.ts';
import { chooseBot } from './bot/choose.ts';

/** What the relay's process says when it can be reached, once. */
export interface Ready {
  readonly port: number;
  readonly storage: string;
  readonly bot: string;
}

// Why a link ended is shown by the page at its other end, and why a run did in its message; what is wrong with the relay
// itself is said here.
const logger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: (fields, message) => console.error(message, fields),
};

async function start(file: string, pace: number, host: string, port: number): Promise<void> {
  const storage = sqlite(file);
  // Opens the file now: one that cannot be opened is better told here than to the first visitor.
  await storage.listRuns({}, undefined, 1);
  const bot = chooseBot(process.env, pace);
  const relay = createRelay({ backend: chatBackend(bot), storage, logger });
  const ready: Ready = { port: await listen(relay, host, port), storage: storage.description, bot: bot.label };

  async function stop(): Promise<void> {
    await relay.close();
    process.exit(0);
  }
  process.once('SIGTERM', () => void stop());
  // Whoever started this process is gone: nobody else would end it.
  process.once('disconnect', () => void stop());
  process.send?.(ready);
}

/** The wanted port, or a free one when somebody else has it: pages ask which before each link. */
async function listen(relay: Relay<ChatSchema>, host: string, port: number): Promise<number> {
  const bound = await relay.listen(port, host).catch((error: Error) => {
    if ('code' in error && error.code === 'EADDRINUSE') return relay.listen(0, host);
    throw error;
  });
  return bound.port;
}

// A terminal sends these to every process; when to end, the supervisor says.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
const [file = '', pace, host = '', port] = process.argv.slice(2);
try {
  await start(file, Number(pace), host, Number(port));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
