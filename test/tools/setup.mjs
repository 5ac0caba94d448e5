// What the suites need besides node_modules: a Chromium, and a Node with node:sqlite.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { isBuiltin } from 'node:module';
import { delimiter, join } from 'node:path';
import { root, run } from './child.mjs';

/** The path of a Chromium that starts, installed when there is none and apt may be used. Throws, saying what to do. */
export async function chromium() {
  const present = await findChromium();
  if (present) return started(present);
  const apt = aptCommand();
  if (apt) {
    console.log(`chromium: none found, so ${apt.join(' ')} install chromium`);
    await run(apt[0], [...apt.slice(1), 'update']);
    await run(apt[0], [...apt.slice(1), 'install', '-y', '--no-install-recommends', 'chromium']);
    const installed = await findChromium();
    if (installed) return started(installed);
  }
  throw new Error(`The browser suites need Chromium, and none was found. Either of these mends it:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends chromium
  npx playwright install chromium
  COTABLE_CHROMIUM=/path/to/chromium npm test`);
}

/** Where a Chromium is, if anywhere: the one named by COTABLE_CHROMIUM, the system's, or Playwright's own. */
export async function findChromium() {
  if (process.env.COTABLE_CHROMIUM) return process.env.COTABLE_CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const path = folders.map((folder) => join(folder, name)).find(isExecutable);
    if (path) return path;
  }
  const playwright = await import('playwright');
  const own = playwright.chromium.executablePath();
  return isExecutable(own) ? own : undefined;
}

function started(path) {
  const { status, stdout, error } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${path} --version fails: ${error?.message ?? `exit code ${status}`}. Mend it, or set COTABLE_CHROMIUM.`);
  console.log(`chromium: ${path} (${stdout.trim()})`);
  return path;
}

/** How apt-get is called without a question, or undefined where it cannot be. */
function aptCommand() {
  const quiet = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  if (spawnSync('apt-get', ['--version']).status !== 0) return undefined;
  if (process.getuid?.() === 0) return quiet;
  return spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n', ...quiet] : undefined;
}

/** Whether the Node that runs this has node:sqlite. */
export const hasNodeSqlite = isBuiltin('node:sqlite');

/** Whether {@link node24} knows a binary for this machine. */
export const knowsNode24 = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

/** The path of a Node 24, installed from the package registry into .tools when it is not there. Throws when it does not start. */
export async function node24() {
  const folder = join(root, '.tools/node24');
  const path = join(folder, 'node_modules/node24/bin/node');
  if (!isExecutable(path)) {
    const name = `node24@npm:node-linux-${process.arch}@24`;
    const { code, output, seconds } = await run('npm', ['install', '--no-save', '--ignore-scripts', '--prefix', folder, name], {
      quiet: true,
    });
    if (code !== 0) throw new Error(`npm install ${name} fails:\n${output}`);
    console.log(`node24: installed in ${seconds.toFixed(1)} s`);
  }
  const { status, stdout, error } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${path} --version fails: ${error?.message ?? `exit code ${status}`}`);
  console.log(`node24: ${stdout.trim()}`);
  return path;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
