import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const manifest = createRequire(import.meta.url).resolve('cotable/package.json');
const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly bin: { readonly cotable: string } };

/** The command line, as `npx cotable` starts it. */
export const main = join(manifest, '..', bin.cotable);

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs in a process of its own. */
export interface Command {
  /** Resolves to what it printed once a line begins so; rejects when it ends before. */
  printed(start: string): Promise<string>;
  /** Sends a signal, or none, and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ended>;
}

const running = new Set<Command>();

export function start(folder: string, ...args: readonly string[]): Command {
  // Vitest's own environment would take the colours out.
  const env = { ...process.env, TEST: '', CI: '', TERM: 'xterm' };
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
  const ended: Promise<Ended> = once(child, 'close').then(([code, signal]: unknown[]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...output,
  }));
  const command: Command = {
    printed(begin) {
      const isThere = (): boolean =>
        output.stdout
          .split('\n')
          .slice(0, -1)
          .some((line) => line.startsWith(begin));
      return new Promise((resolve, reject) => {
        const look = (): void => {
          if (isThere()) resolve(output.stdout);
        };
        child.stdout.on('data', look);
        look();
        void ended.then((end) => reject(new Error(`it ended with ${end.code ?? end.signal}: ${end.stdout}${end.stderr}`)));
      });
    },
    end(signal) {
      if (signal) child.kill(signal);
      return ended;
    },
  };
  running.add(command);
  void ended.finally(() => running.delete(command));
  return command;
}

/** Runs a command to the end it comes to by itself. */
export const run = (folder: string, ...args: readonly string[]): Promise<Ended> => start(folder, ...args).end();

/** Ends what tests left running. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map((command) => command.end('SIGKILL')));
}
