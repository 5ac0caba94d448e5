// What Cotable is compared with has a lock file of its own, and is installed when it is first needed.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bench = new URL('..', import.meta.url);
const place = (path) => fileURLToPath(new URL(path, bench));

export function installPeers(say) {
  if (!isInstalled()) {
    say('installs what Cotable is compared with into bench/node_modules');
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: place('.'), stdio: 'inherit' });
  }
  // This folder has a package.json of its own, so that Cotable's name leads nowhere without this.
  if (!existsSync(place('node_modules/cotable'))) symlinkSync('../..', place('node_modules/cotable'), 'junction');
}

/** npm leaves a file behind when it has finished. */
function isInstalled() {
  const done = place('node_modules/.package-lock.json');
  return existsSync(done) && statSync(done).mtimeMs >= statSync(place('package-lock.json')).mtimeMs;
}
