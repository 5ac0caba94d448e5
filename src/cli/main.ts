#!/usr/bin/env node
import { stripVTControlCharacters } from 'node:util';
import { defineCommand, renderUsage, runCommand, runMain, type ArgsDef, type CommandDef } from 'citty';
import { failure, isFailure, type ExitCode } from './failure.ts';
import { ownVersion } from './copies.ts';
import { relayCommand } from './relay-command.ts';

const EXAMPLE = `EXAMPLE

  npx cotable relay ./backend.ts --port 8080 --data ./data.db --origin https://app.example

  where backend.ts has
    export const backend = defineBackendConfig({ schema, mutators });
`;

const cotable = defineCommand({
  meta: { name: 'cotable', version: ownVersion(), description: 'Shared tables that work offline' },
  subCommands: { relay: relayCommand },
  setup({ rawArgs: [first] }) {
    if (first?.startsWith('-')) throw failure(2, `Unknown option '${first}'`, "Run 'cotable --help'.");
  },
});

async function showUsage<T extends ArgsDef>(command: CommandDef<T>, parent?: CommandDef<T>): Promise<void> {
  write(process.stdout, `${await renderUsage(command, parent)}\n\n${EXAMPLE}`);
}

/** Says why the command ended. */
function tell(error: unknown): ExitCode {
  if (isFailure(error)) {
    write(process.stderr, `cotable: ${error.message}\n`);
    return error.exitCode;
  }
  // What citty could not understand.
  if (error instanceof Error && error.name === 'CLIError') {
    const asked = process.argv[2] === 'relay' ? 'cotable relay' : 'cotable';
    return tell(failure(2, error.message, `Run '${asked} --help'.`));
  }
  write(process.stderr, `cotable: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}

/** Colours are for people. */
function write(stream: NodeJS.WriteStream, text: string): void {
  stream.write(stream.isTTY ? text : stripVTControlCharacters(text));
}

const args = process.argv.slice(2);
const asksAboutCotable = args.some((arg) => ['--help', '-h'].includes(arg)) || ['--version', '-v'].includes(args.join(' '));
try {
  await (asksAboutCotable ? runMain(cotable, { rawArgs: args, showUsage }) : runCommand(cotable, { rawArgs: args }));
} catch (error) {
  // Whatever is still open, such as a worker thread, has nothing to do any more.
  process.exit(tell(error));
}
