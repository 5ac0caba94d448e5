import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { failure } from './failure.ts';

interface Manifest {
  readonly version: string;
  readonly bin?: { readonly cotable?: string };
}

/** The version of this copy of Cotable. */
export function ownVersion(): string {
  return read(manifestFor(import.meta.url) ?? '').version;
}

/**
 * The command line of the copy of Cotable that the imports of a file lead to; undefined when that is this one, or when
 * there is none. Throws a failure when that copy has no command line.
 */
export function otherCopy(file: string): string | undefined {
  const found = manifestFor(file);
  if (found === undefined || found === manifestFor(import.meta.url)) return undefined;
  const { version, bin } = read(found);
  if (bin?.cotable) return join(found, '..', bin.cotable);
  throw failure(1, `${file} imports Cotable ${version}, which has no command line`, 'Install a later one beside it.');
}

/** Where the `package.json` of the Cotable is that a module imports, symbolic links followed. */
function manifestFor(module: string): string | undefined {
  try {
    return createRequire(module).resolve('cotable/package.json');
  } catch {
    return undefined;
  }
}

function read(manifest: string): Manifest {
  return JSON.parse(readFileSync(manifest, 'utf8')) as Manifest;
}
