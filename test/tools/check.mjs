// npm run check: every check runs, whatever the others say.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './child.mjs';

const checks = {
  types: ['tsc', '-p', 'tsconfig.json'],
  lint: ['oxlint'],
  format: ['oxfmt', '--check'],
  unused: ['knip', '--no-progress'],
};

/** Runs a quiet command, says in one line how it went, shows its output when it failed, and returns whether it did well. */
export async function quietly(name, command, args) {
  const { code, output, seconds } = await run(command, args, { quiet: true });
  console.log(`${code === 0 ? 'ok' : 'FAIL'} ${name} ${seconds.toFixed(1)} s`);
  if (code !== 0) console.log(output.trimEnd());
  return code === 0;
}

/** Runs all checks, one after the other; the names of those that passed and failed. */
export async function runChecks() {
  const passed = [];
  const failed = [];
  for (const [name, [command, ...args]] of Object.entries(checks)) {
    const ok = await quietly(name, join(root, 'node_modules/.bin', command), args);
    (ok ? passed : failed).push(name);
  }
  return { passed, failed };
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = (await runChecks()).failed.length ? 1 : 0;
}
