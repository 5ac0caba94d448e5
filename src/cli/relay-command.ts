import { pathToFileURL } from 'node:url';
import { defineCommand } from 'citty';
import { otherCopy } from './copies.ts';
import { DEFAULTS, readRelayArguments } from './relay-arguments.ts';

/** What `--help` shows; the arguments themselves are read by {@link readRelayArguments}. */
export const relayCommand = defineCommand({
  meta: { name: 'relay', description: 'Runs a relay: it keeps rooms in a SQLite file and brings stores together over WebSockets' },
  args: {
    backend: { type: 'positional', description: 'A module (TypeScript or JavaScript) that exports `backend`: schema, mutators, actions' },
    port: { type: 'string', default: DEFAULTS.port, description: 'Where to listen; 0 takes a free port' },
    host: { type: 'string', default: DEFAULTS.host, description: 'The address to listen on; 0.0.0.0 lets other machines in' },
    data: { type: 'string', default: DEFAULTS.data, valueHint: 'file', description: 'The SQLite file, made when it is not there' },
    origin: { type: 'string', description: 'Pages that may connect, as https://app.example; once for each. Left out: any' },
  },
  async run({ rawArgs }) {
    const args = readRelayArguments(rawArgs);
    const other = otherCopy(args.backend);
    // Of two copies of Cotable in one process, the backend's is the one whose classes and documents are used.
    if (other !== undefined) return void (await import(pathToFileURL(other).href));
    const { runRelay } = await import('./run-relay.ts');
    await runRelay(args);
  },
});
