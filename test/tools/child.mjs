import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository: every command runs here. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What a child that was asked to end gets before it is killed. */
const GRACE_MS = 5000;

/** Children under way, by process id. Each leads a process group of its own, so that its own children end with it. */
const running = new Map();
let stopping = false;

/**
 * Runs a command to its end and tells its exit code (`null` when it could not start or was killed), its seconds and,
 * when `quiet`, its output; otherwise the output streams through. What the command left running is killed.
 */
export function run(command, args, { env = {}, quiet = false } = {}) {
  const start = performance.now();
  const { promise, resolve } = withResolvers();
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (output += text));
  if (child.pid !== undefined) running.set(child.pid, promise);
  child.on('exit', () => signalGroup(child.pid, 'SIGKILL'));
  child.on('error', (error) => (output += `${error.message}\n`));
  child.on('close', (code) => {
    running.delete(child.pid);
    resolve({ code: child.pid === undefined ? null : code, output, seconds: (performance.now() - start) / 1000 });
  });
  // After an interrupt nobody hears of the end of a step, so no next step begins.
  return promise.then((result) => (stopping ? new Promise(() => {}) : result));
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(signal));
process.on('exit', () => killAll('SIGKILL'));

function stop(signal) {
  const exit = () => process.exit(128 + constants.signals[signal]);
  if (stopping) return exit();
  stopping = true;
  console.error(`\n${signal}: stopping`);
  killAll('SIGTERM');
  setTimeout(exit, GRACE_MS);
  Promise.all(running.values()).then(exit);
}

function killAll(signal) {
  for (const pid of running.keys()) signalGroup(pid, signal);
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: the group is gone already. EPERM: it belongs to root (sudo), which ends it itself.
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error;
  }
}

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
