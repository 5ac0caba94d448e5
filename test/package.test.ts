import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// The tarball as npm would publish it, in a project that has nothing of this repository but what package.json promises.
// It holds what `npm run build` left in dist.

const exec = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

let manifest: Manifest;
/** The consumer's project. */
let project: string;
/** Paths in the tarball. */
let packed: readonly string[];

beforeAll(async () => {
  manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
  project = await mkdtemp(join(tmpdir(), 'cotable-consumer-'));
  const { stdout } = await exec('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { cwd: root });
  const [tarball] = JSON.parse(stdout) as [{ readonly filename: string; readonly files: readonly { readonly path: string }[] }];
  packed = tarball.files.map((file) => file.path);
  await install(join(project, tarball.filename));
  await cp(join(root, 'test/package'), join(project, 'src'), { recursive: true });
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
}, 60_000);

afterAll(() => rm(project, { recursive: true, force: true }));

/** Unpacks the package and links what it depends on and what the consumer brings: no network, and nothing undeclared. */
async function install(tarball: string): Promise<void> {
  const modules = join(project, 'node_modules');
  await mkdir(join(modules, 'cotable'), { recursive: true });
  await exec('tar', ['-xzf', tarball, '-C', join(modules, 'cotable'), '--strip-components=1']);
  const { dependencies, peerDependencies, optionalDependencies } = manifest;
  const declared = Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies });
  for (const name of [...declared, 'zod', '@types/node', '@types/react']) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
}

/** Compiles the consumer with our compiler; what it says when something does not fit is the error. */
async function compile(moduleResolution: 'NodeNext' | 'Bundler', out: string): Promise<void> {
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    module: moduleResolution === 'NodeNext' ? 'NodeNext' : 'ESNext',
    moduleResolution,
    types: ['node'],
    jsx: 'react-jsx',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    declaration: true,
    rewriteRelativeImportExtensions: true,
    rootDir: 'src',
    outDir: out,
  };
  const file = join(project, `tsconfig.${moduleResolution}.json`);
  await writeFile(file, JSON.stringify({ compilerOptions, include: ['src'] }));
  await exec(join(root, 'node_modules/.bin/tsc'), ['-p', file], { cwd: project }).catch((error: { readonly stdout?: string }) => {
    throw new Error(error.stdout || String(error));
  });
}

describe('the tarball', () => {
  it('[PK1] holds the package and nothing else', () => {
    const expected = /^((dist\/)?(src|transports|adapters)\/|docs\/|(package\.json|README\.md|LICENSE|CHANGELOG\.md)$)/;
    expect(packed.filter((path) => !expected.test(path) || /(^|\/)\./.test(path))).toEqual([]);
  });

  it('[PK2] has the files of each export', () => {
    const targets = Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)));
    expect(targets.length).toBeGreaterThan(20);
    expect(targets.filter((target) => !packed.includes(target.replace('./', '')))).toEqual([]);
  });
});

describe('a fresh project', () => {
  it('[PK3] compiles against it as a bundler resolves it, declarations included', () => compile('Bundler', 'bundled'), 60_000);

  it('[PK4] compiles against it as Node resolves it, and two stores meet over a relay', async () => {
    await compile('NodeNext', 'compiled');
    const { stdout } = await exec(process.execPath, ['compiled/consumer.js'], { cwd: project, timeout: 20_000 });
    expect(JSON.parse(stdout)).toEqual({ id: 'm1', text: 'hello, said by a mutator', by: 'alice' });
  }, 60_000);
});
