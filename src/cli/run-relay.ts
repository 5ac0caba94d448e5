import { constants } from 'node:os';
import { inspect } from 'node:util';
import { sqlite } from '../../adapters/sqlite/index.ts';
import type { Logger } from '../ports/logger.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import { createRelay, type Relay } from '../relay/create-relay.ts';
import type { AnySchema } from '../schema/schema.ts';
import { ownVersion } from './copies.ts';
import { explain } from './explain.ts';
import { failure } from './failure.ts';
import { loadBackend } from './load-backend.ts';
import type { RelayArguments } from './relay-arguments.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** npm passes on the Ctrl-C that the terminal has sent to all: within this time, two signals are one. */
const IMPATIENT_MS = 1000;

/** Standard output is for where the relay is; what happens to it goes beside. */
const logger: Logger = {
  info: () => undefined,
  warn: (fields, message) => {
    // At shutdown each link would say the first; the second is part of the greeting.
    if (fields['code'] !== 'relay.closed' && fields['mode'] !== 'development') log('warn', fields, message);
  },
  error: (fields, message) => log('error', fields, message),
};

/**
 * Runs the relay of a backend. Resolves when it listens and has said so; from then on a signal shuts it down and ends
 * the process with code 0, and one that comes a second later ends it at once. Throws a failure when it cannot be started.
 */
export async function runRelay(args: RelayArguments): Promise<void> {
  const backend = await loadBackend(args.backend);
  const storage = await openStorage(args.data);
  const relay = attempt(
    () => createRelay({ backend, storage, logger, origins: args.origins }),
    (error) => failure(1, `${args.backend}: the backend does not fit its schema`, ...explain(error)),
  );
  const url = await listen(relay, args);
  stopOnSignal(relay);
  process.stdout.write(`${greeting(url, storage.description, backend.authenticate !== undefined, args).join('\n')}\n`);
}

async function openStorage(file: string): Promise<RelayStorage> {
  try {
    const storage = sqlite(file);
    // A read opens the file: one that cannot be opened is better told now than to the first store.
    await storage.entries('cotable', 0, 1);
    return storage;
  } catch (error) {
    throw failure(1, `The data cannot be opened: ${file}`, ...explain(error));
  }
}

async function listen(relay: Relay<AnySchema>, { host, port }: RelayArguments): Promise<string> {
  try {
    const { url } = await relay.listen(port, host);
    // The address of every interface is one to listen on, and none to go to.
    return url.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//localhost');
  } catch (error) {
    await relay.close();
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE')
      throw failure(1, `Port ${port} of ${host} is taken`, 'Give another one: --port 8081, or --port 0 for any free one.');
    throw failure(1, `Port ${port} of ${host} cannot be opened`, ...explain(error));
  }
}

function stopOnSignal(relay: Relay<AnySchema>): void {
  let since: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (since === undefined) {
      since = Date.now();
      void closeAndExit(relay);
    } else if (Date.now() - since > IMPATIENT_MS) process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
}

/** A backend may hold something open for ever, such as a pool of connections: the process does not end by itself. */
async function closeAndExit(relay: Relay<AnySchema>): Promise<never> {
  try {
    await relay.close();
    return process.exit(0);
  } catch (error) {
    log('error', { error }, 'not everything was kept at shutdown');
    return process.exit(1);
  }
}

function greeting(url: string, storage: string, authenticates: boolean, { origins }: RelayArguments): string[] {
  return [
    `Cotable ${ownVersion()}`,
    `Relay:  ${url}`,
    `Data:   ${storage}`,
    `Health: ${url.replace('ws', 'http')}/healthz`,
    `Pages:  ${origins ? origins.join(', ') : 'any may connect; --origin https://app.example lets in that one alone'}`,
    `Users:  ${authenticates ? 'as the backend authenticates them' : 'DEVELOPMENT MODE: everybody is who they say they are; give the backend an authenticate hook'}`,
    `Rooms:  made when first opened: createStore({ room: 'lobby', transports: [webSocket('${url}')], ... })`,
  ];
}

function log(level: 'warn' | 'error', fields: Readonly<Record<string, unknown>>, message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${level} ${message} ${inspect(fields, { breakLength: Infinity })}\n`);
}

function attempt<T>(make: () => T, wrap: (error: unknown) => Error): T {
  try {
    return make();
  } catch (error) {
    throw wrap(error);
  }
}
