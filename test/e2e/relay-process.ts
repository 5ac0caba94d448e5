import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A relay in a process of its own. */
export interface RelayProcess {
  readonly url: string;
  readonly port: number;
  /** Sends a signal and waits for the end; the exit code, or the signal that ended it. */
  stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | string>;
}

export async function startRelay(file: string, port = 0): Promise<RelayProcess> {
  const script = fileURLToPath(new URL('../fixtures/relay.mjs', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, file, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]: unknown[]) => (typeof code === 'number' ? code : String(signal)));
  if (!child.stdout) throw new Error('the relay has no output');
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([
    once(lines, 'line'),
    ended.then((code) => {
      throw new Error(`the relay ended with ${code} before it listened`);
    }),
  ])) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    port: Number(new URL(url).port),
    stop(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
