import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

/** A page of the documentation. */
export function page(path: string): Promise<string> {
  return readFile(join(root, path), 'utf8');
}

/** The fenced blocks of a page that begin with the name of their file. */
export function namedBlocks(text: string): Map<string, string> {
  const found = text.matchAll(/```tsx?\n\/\/ ([\w.-]+)\n([\s\S]*?)```/g);
  return new Map([...found].map(([, name = '', code = '']) => [name, code]));
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return address.port;
}

/** A folder within the package, so that what lies there finds it by its name. Whoever asks for it removes it. */
export async function exampleFolder(): Promise<string> {
  await mkdir(join(root, 'test-results'), { recursive: true });
  return mkdtemp(join(root, 'test-results', 'example-'));
}

/** Compiles the files of such a folder as an app would. Rejects with what the compiler says. */
export async function compile(folder: string): Promise<void> {
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM'],
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    rewriteRelativeImportExtensions: true,
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', folder]).catch((error: { readonly stdout: string }) => {
    throw new Error(error.stdout);
  });
}

/** Runs a file of such a folder to its end; what it printed. */
export async function execute(folder: string, name: string): Promise<string> {
  const { stdout } = await run(process.execPath, [join(folder, name)], { cwd: folder, timeout: 100_000 });
  return stdout;
}
