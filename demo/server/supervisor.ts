import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Ready } from './relay.ts';

export interface RelayOptions {
  readonly file: string;
  readonly pace: number;
  readonly host: string;
  /** The wanted one; a successor gets that of the relay before. */
  readonly port: number;
}

/** What became of a relay that was killed. */
export interface Takeover {
  /** Process ids. */
  readonly killed: number;
  readonly started: number;
  /** How long nobody was there. */
  readonly ms: number;
}

/** The relay in a process of its own, started again whenever it is gone. */
export interface Supervisor {
  /** Whether a relay is there right now. */
  readonly isUp: boolean;
  /** What the present relay said, or the next one when there is none at the moment. */
  ready(): Promise<Ready>;
  /** Ends the relay as a power cut does, and resolves when the next one is there. */
  kill(): Promise<Takeover>;
  /** Lets the relay shut down; no other follows. */
  stop(): Promise<void>;
}

interface Incarnation {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ready: Ready;
}

/** Starts the relay. Rejects when it cannot begin; `failed` is called when one that is to follow another cannot. */
export async function supervise(options: RelayOptions, failed: (error: unknown) => void): Promise<Supervisor> {
  let isStopping = false;
  let isUp = false;
  let newest: ChildProcess | undefined;
  let current = incarnate(options.port);

  async function incarnate(port: number): Promise<Incarnation> {
    const args = [options.file, options.pace, options.host, port].map(String);
    const child = fork(fileURLToPath(new URL('./relay.js', import.meta.url)), args);
    newest = child;
    const ended = exitOf(child);
    const ready = await Promise.race([new Promise<Ready>((resolve) => child.once('message', resolve)), ended]);
    // Killed while it was starting: that is no reason why the next one should not.
    if (ready === 'SIGKILL' && !isStopping) return incarnate(port);
    if (ready === null || typeof ready !== 'object') throw new Error('The relay could not begin.');
    isUp = true;
    void ended.then(() => follow(ready.port));
    return { child, pid: child.pid ?? 0, ready };
  }

  function follow(port: number): void {
    isUp = false;
    if (isStopping) return;
    current = incarnate(port);
    current.catch((error: unknown) => !isStopping && failed(error));
  }

  await current;
  return {
    get isUp() {
      return isUp;
    },
    ready: async () => (await current).ready,
    async kill() {
      const { child, pid } = await current;
      const at = performance.now();
      child.kill('SIGKILL');
      await exitOf(child);
      const { pid: started } = await current;
      return { killed: pid, started, ms: Math.round(performance.now() - at) };
    },
    async stop() {
      isStopping = true;
      newest?.kill('SIGTERM');
      if (newest) await exitOf(newest);
    },
  };
}

/** How a process ended: its code, or the signal. At once when it has ended already. */
async function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
  return child.signalCode ?? child.exitCode;
}
