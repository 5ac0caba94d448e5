import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  readonly host: string;
  readonly port: number;
  /** The folder of the relay's data. */
  readonly data: string;
  /** Whether to forget what the relay holds. */
  readonly fresh: boolean;
}

export const USAGE = `npm run demo -- [--port 4400] [--host 127.0.0.1] [--data .cotable-demo] [--fresh]

  --port   where to listen; when it is taken, a free one is used (0: any free one)
  --host   0.0.0.0 lets other devices of the network in
  --data   the folder that keeps the relay's data
  --fresh  begins with an empty relay`;

/** What the command line asks for; `undefined` when it asks for help. Throws with a sentence when it cannot be understood. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '4400' },
      data: { type: 'string', default: '.cotable-demo' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port takes a number from 0 to 65535, not '${values.port}'`);
  return { host: values.host, port, data: resolve(values.data), fresh: values.fresh };
}
