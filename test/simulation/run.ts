import { execFile } from 'node:child_process';

/** The output of `npm run sim` with these arguments, and its exit code. */
export function runSimulator(folder: string, args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['test/tools/sim.mjs', ...args], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
    );
  });
}
