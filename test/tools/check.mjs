// npm run check: builds, then every check runs, whatever the others say.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './child.mjs';

const tool = (name) => join(root, 'node_modules/.bin', name);

/** The last four look at what `npm run build` left in dist. */
const checks = {
  types: [tool('tsc'), '-p', 'tsconfig.json'],
  lint: [tool('oxlint')],
  format: [tool('oxfmt'), '--check'],
  unused: [tool('knip'), '--no-progress'],
  package: [tool('publint'), '--strict'],
  exports: [tool('attw'), '--pack', '.', '--profile', 'esm-only', '--no-emoji'],
  bundles: [process.execPath, 'test/tools/bundles.mjs'],
  sizes: [tool('size-limit')],
};

/** Runs a quiet command, says in one line how it went, shows its output when it failed, and returns whether it did well. */
export async function quietly(name, command, args) {
  const { code, output, seconds } = await run(command, args, { quiet: true });
  console.log(`${code === 0 ? 'ok' : 'FAIL'} ${name} ${seconds.toFixed(1)} s`);
  if (code !== 0) console.log(output.trimEnd());
  return code === 0;
}

/** Runs all checks, one after the other, on what is built; the names of those that passed and failed. */
export async function runChecks() {
  const passed = [];
  const failed = [];
  for (const [name, [command, ...args]] of Object.entries(checks)) {
    const ok = await quietly(name, command, args);
    (ok ? passed : failed).push(name);
  }
  return { passed, failed };
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const isBuilt = await quietly('build', 'npm', ['run', '--silent', 'build']);
  const { failed } = await runChecks();
  process.exitCode = isBuilt && failed.length === 0 ? 0 : 1;
}
