import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  readonly host: string;
  readonly port: number;
  /** The folder of the relay's data. */
  readonly data: string;
  /** Whether to forget what the relay holds. */
  readonly fresh: boolean;
  /** Milliseconds from word to word of the bot that has no model. */
  readonly pace: number;
}

export const USAGE = `npm run demo -- [--port 4400] [--host 127.0.0.1] [--data .cotable-demo] [--fresh] [--pace 80]

  --port   where to listen, the relay one further; free ones are used when they are taken (0: any free ones)
  --host   0.0.0.0 lets other devices of the network in
  --data   the folder that keeps the relay's data
  --fresh  begins with an empty relay
  --pace   milliseconds from word to word of the rule-based bot

  OPENAI_BASE_URL or OPENAI_API_KEY puts a model behind the bot, OPENAI_MODEL says which`;

/** What the command line asks for; `undefined` when it asks for help. Throws with a sentence when it cannot be understood. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '4400' },
      data: { type: 'string', default: '.cotable-demo' },
      pace: { type: 'string', default: '80' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_534) throw new Error(`--port takes a number from 0 to 65534, not '${values.port}'`);
  const pace = Number(values.pace);
  if (!Number.isInteger(pace) || pace < 0 || pace > 10_000) throw new Error(`--pace takes a number from 0 to 10000, not '${values.pace}'`);
  return { host: values.host, port, data: resolve(values.data), fresh: values.fresh, pace };
}
