import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A user's project: a backend in TypeScript, and packages by name. */
export interface Project {
  readonly folder: string;
  /** Writes a module beside `backend.ts`; its name. */
  write(name: string, lines: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

/** `cotable` is this repository, or a copy of what it built that calls itself `version`. */
export async function createProject({ version }: { readonly version?: string } = {}): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-cli-'));
  const modules = join(folder, 'node_modules');
  await cp(fileURLToPath(new URL('project', import.meta.url)), folder, { recursive: true });
  await mkdir(modules);
  await symlink(join(root, 'node_modules/zod'), join(modules, 'zod'));
  if (version === undefined) await symlink(root, join(modules, 'cotable'));
  else await copyPackage(join(modules, 'cotable'), version);
  return {
    folder,
    async write(name, lines) {
      await writeFile(join(folder, name), lines.join('\n'));
      return name;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function copyPackage(target: string, version: string): Promise<void> {
  await cp(join(root, 'dist'), join(target, 'dist'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(target, 'node_modules'));
  const { default: manifest } = (await import('cotable/package.json', { with: { type: 'json' } })) as { default: object };
  await writeFile(join(target, 'package.json'), JSON.stringify({ ...manifest, version }));
}
