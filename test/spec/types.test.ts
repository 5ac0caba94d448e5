import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// The files of test/types hold themselves: the check of the types compiles them. Here they are proven to be able to fail.

const root = fileURLToPath(new URL('../..', import.meta.url));
const EXPECTED = /^\s*\/\/ @ts-expect-error/;

/** A project of its own that sees the package as its users do: what was built, by its name. */
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'cotable-types-'));
  for (const name of ['zod', 'rxjs', 'react', '@types/react', '@types/node', '@standard-schema/spec']) {
    await mkdir(dirname(join(project, 'node_modules', name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  await symlink(root, join(project, 'node_modules/cotable'));
  for (const folder of ['types', 'seed-chat']) await cp(join(root, 'test', folder), join(project, folder), { recursive: true });
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    module: 'NodeNext',
    strict: true,
    noUncheckedIndexedAccess: true,
    types: ['node'],
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  };
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['types'] }));
});

afterAll(() => rm(project, { recursive: true, force: true }));

/** Compiles the project and tells where it is wrong, as `file:line`. */
async function wrongLines(): Promise<readonly string[]> {
  const output = await new Promise<string>((resolve) => {
    execFile(join(root, 'node_modules/.bin/tsc'), ['-p', project], { cwd: project }, (_, stdout) => resolve(stdout));
  });
  const lines = [...output.matchAll(/^(?:\S*\/)?(\S+?)\((\d+),\d+\): error/gm)].map(([, file, line]) => `${file}:${line}`);
  return [...new Set(lines)].toSorted();
}

describe('the checks of types', () => {
  test('[TY1 A9 A12 C3 C26 C41 C42] hold for what is built as they hold for its source', async () => {
    expect(await wrongLines()).toEqual([]);
  }, 20_000);

  test('[TY2 B21] each expected error is one, and stands where it is expected', async () => {
    const expected: string[] = [];
    for (const name of await readdir(join(root, 'test/types'))) {
      const lines = (await readFile(join(root, 'test/types', name), 'utf8')).split('\n');
      expected.push(...lines.flatMap((line, index) => (EXPECTED.test(line) ? [`${name}:${index + 2}`] : [])));
      const bare = lines.map((line) => (EXPECTED.test(line) ? '//' : line)).join('\n');
      await writeFile(join(project, 'types', name), bare);
    }
    const wrong = `
      import type { InOf, RowOf } from 'cotable';
      import type { AnyIn, Equal, Expect, Nowhere } from './expect.ts';
      import type { S } from './fixture.ts';
      export type A = Expect<Equal<RowOf<S, 'people'>, { name: string }>>;
      export type B = Expect<Equal<InOf<S['mutators']['finish']>, { id: string | number }>>;
      export type C = Nowhere<AnyIn<{ readonly rows: readonly ReturnType<typeof JSON.parse>[] }>>;
    `;
    await writeFile(join(project, 'types/wrong.ts'), wrong);
    expect(expected.length).toBeGreaterThan(80);
    expect(await wrongLines()).toEqual([...expected, 'wrong.ts:5', 'wrong.ts:6', 'wrong.ts:7'].toSorted());
  }, 20_000);
});
