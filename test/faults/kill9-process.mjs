import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('kill9-relay.mjs', import.meta.url));

/** Starts a relay on a file. `listening` is its port, or undefined when it ended before it had one. */
export function startProcess(file, port) {
  const child = spawn(process.execPath, [script, file, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
  const lines = createInterface({ input: child.stdout });
  const listening = Promise.race([once(lines, 'line').then(([line]) => Number(line)), ended.then(() => undefined)]);
  return {
    listening,
    ended,
    stop(signal) {
      child.kill(signal);
      return ended;
    },
  };
}
