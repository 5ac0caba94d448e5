import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What is built. */
export const dist = join(root, 'dist');

/**
 * Makes a copy of the package with its build patched and with these parts of the repository, and takes it away when `work`
 * has ended. Whatever runs there finds the copy under the package's own name.
 */
export async function withPatchedBuild(patches, parts, work) {
  const folder = mkdtempSync(join(tmpdir(), 'cotable-planted-'));
  try {
    for (const path of ['package.json', 'dist', ...parts]) cpSync(join(root, path), join(folder, path), { recursive: true, filter: isRun });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const patch of patches) apply(join(folder, 'dist'), patch);
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function apply(folder, patch) {
  const found = placesOf(folder, patch);
  const [place] = found;
  if (!place || found.length !== 1) throw new Error(`${patch.file} has ${found.length} times: ${patch.from}`);
  writeFileSync(
    place,
    readFileSync(place, 'utf8').replace(patch.from, () => patch.to),
  );
}

/** How often a patch has something to change. */
export function timesOf(folder, patch) {
  return placesOf(folder, patch).length;
}

/** The file of each time that it is there. */
function placesOf(folder, { file, from }) {
  const path = join(folder, file);
  const files = statSync(path).isFile() ? [path] : readdirSync(path).flatMap((name) => (name.endsWith('.js') ? join(path, name) : []));
  return files.flatMap((each) => Array.from({ length: readFileSync(each, 'utf8').split(from).length - 1 }, () => each));
}

/** Declarations and maps are for people who look. */
function isRun(path) {
  return !path.endsWith('.map') && !path.endsWith('.d.ts');
}
