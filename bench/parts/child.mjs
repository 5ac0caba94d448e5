// Processes of the bench: the parent asks, a child answers. One question at a time for each name.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts `file` (beside this one) in a process of its own. */
export function startChild(file, args = [], execArgv = []) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv, serialization: 'advanced' });
  const open = new Map();
  let last = 0;
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = open.get(id);
    open.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(`${file} ${args.join(' ')}: ${error}`));
  });
  child.on('exit', (code, signal) => {
    for (const { reject } of open.values()) reject(new Error(`${file} ${args.join(' ')} ended with ${code ?? signal}`));
  });
  return {
    ask(name, value) {
      return new Promise((resolve, reject) => {
        const id = ++last;
        open.set(id, { resolve, reject });
        child.send({ id, name, value });
      });
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      const giveUp = setTimeout(() => process.kill(child.pid, 'SIGKILL'), 5_000);
      child.send({ name: 'stop' });
      await ended;
      clearTimeout(giveUp);
    },
  };
}

/** The child's side: answers each question with what its function returns; `stop` runs last. */
export function answer({ stop, ...questions }) {
  process.on('message', async ({ id, name, value }) => {
    if (name === 'stop') {
      await stop?.();
      process.exit(0);
    }
    try {
      process.send({ id, value: await questions[name](value) });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
  process.on('disconnect', () => process.exit(0));
}

/** Milliseconds by the clock that all processes of a machine share. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Milliseconds of processor time that this process has taken, all threads. */
export function cpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
