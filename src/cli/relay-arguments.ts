import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { failure } from './failure.ts';

export interface RelayArguments {
  /** The absolute path of the module that exports the backend. */
  readonly backend: string;
  readonly host: string;
  readonly port: number;
  /** The absolute path of the database, or `:memory:`. */
  readonly data: string;
  /** Undefined: pages of any. */
  readonly origins: readonly string[] | undefined;
}

export const DEFAULTS = { port: '8080', host: '127.0.0.1', data: './data.db' } as const;

/** Throws a failure with code 2 when something is unknown, missing or not there. citty's own reading lets all of that pass. */
export function readRelayArguments(rawArgs: readonly string[]): RelayArguments {
  const { values, positionals } = strictly(rawArgs);
  const [backend, unexpected] = positionals;
  if (backend === undefined) throw misused('The module that exports the backend is missing');
  if (unexpected !== undefined) throw misused(`There is one backend, and '${unexpected}' is one argument too many`);
  const file = resolve(backend);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) throw misused(`There is no file ${file}`);
  return {
    backend: file,
    host: values.host,
    port: portOf(values.port),
    data: values.data === ':memory:' ? values.data : resolve(values.data),
    origins: values.origin?.map(originOf),
  };
}

function strictly(rawArgs: readonly string[]) {
  try {
    return parseArgs({
      args: [...rawArgs],
      allowPositionals: true,
      options: {
        port: { type: 'string', default: DEFAULTS.port },
        host: { type: 'string', default: DEFAULTS.host },
        data: { type: 'string', default: DEFAULTS.data },
        origin: { type: 'string', multiple: true },
      },
    });
  } catch (error) {
    // The rest of it is about arguments that begin with a dash.
    throw misused(error instanceof Error ? (error.message.split(/\. |\n/, 1)[0] ?? '') : String(error));
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw misused(`--port takes a number from 0 to 65535, not '${text}'`);
  return port;
}

function originOf(text: string): string {
  // Apps have origins too, such as capacitor://localhost.
  if (/^[a-z][a-z\d+.-]*:\/\/[^/?#\s]+$/.test(text)) return text;
  throw misused(`--origin takes scheme, host and port alone, as https://app.example, not '${text}'`);
}

function misused(problem: string): Error {
  return failure(2, problem, "Run 'cotable relay --help'.");
}
