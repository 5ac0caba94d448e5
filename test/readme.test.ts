import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
/** Within the package, so that it finds itself by its name. */
let folder: string;

/** The fenced blocks that begin with the name of their file. */
async function blocks(page: string): Promise<Map<string, string>> {
  const text = await readFile(join(root, page), 'utf8');
  const found = text.matchAll(/```tsx?\n\/\/ ([\w.-]+)\n([\s\S]*?)```/g);
  return new Map([...found].map(([, name = '', code = '']) => [name, code]));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return address.port;
}

// What the example's page has and Node has not. It stops when the page shows what it should and the relay has kept it.
const PAGE = `
import 'fake-indexeddb/auto';
import { WebSocket } from 'ws';
globalThis.WebSocket = WebSocket;
let text = '';
globalThis.document = { body: { set innerText(shown) { text = shown; }, get innerText() { return text; } } };
await import('./relay.js');
await import('./app.js');
process.stdout.write(JSON.stringify({ text }));
process.exit(0);
`;

/** Writes the blocks into a folder of their own, as `change` makes them, and compiles them there. */
async function compile(name: string, files: ReadonlyMap<string, string>, change = (code: string): string => code): Promise<string> {
  const place = join(folder, name);
  await mkdir(place);
  for (const [file, code] of files) await writeFile(join(place, file), change(code));
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM'],
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    rewriteRelativeImportExtensions: true,
  };
  await writeFile(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', place]).catch((error: { readonly stdout: string }) => {
    throw new Error(error.stdout);
  });
  return place;
}

beforeAll(async () => {
  await mkdir(join(root, 'test-results'), { recursive: true });
  folder = await mkdtemp(join(root, 'test-results', 'readme-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the README', () => {
  it('[RM1] has an example of about thirty lines that compiles and runs as it stands', async () => {
    const files = await blocks('README.md');
    expect([...files.keys()]).toEqual(['schema.ts', 'mutators.ts', 'relay.ts', 'app.ts']);
    const lines = [...files.values()].join('').split('\n').length;
    expect(lines).toBeLessThan(55);

    const port = String(await freePort());
    const place = await compile('readme', files, (code) => code.replaceAll('8080', port).replace('./data.db', join(folder, 'data.db')));
    await writeFile(join(place, 'page.mjs'), PAGE);
    const { stdout } = await run(process.execPath, [join(place, 'page.mjs')], { cwd: place, timeout: 20_000 });
    expect(JSON.parse(stdout)).toEqual({ text: '- Buy milk' });
  }, 60_000);

  it('[RM2] names the two commands that set everything up, and both are there', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    expect(readme).toContain('npm ci && npm run demo');
    expect(readme).toContain('npm ci && npm test');
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['demo', 'test']));
  });
});

describe('the page on testing', () => {
  it('[RM3] has examples that compile, run, and say what it says they do', async () => {
    const files = await blocks('docs/testing.md');
    expect([...files.keys()]).toEqual(['app.ts', 'cluster.ts', 'simulation.ts']);
    const place = await compile('testing', files);
    const said = async (file: string): Promise<string> => (await run(process.execPath, [join(place, file)], { cwd: place })).stdout;
    const page = await readFile(join(root, 'docs/testing.md'), 'utf8');
    expect(page).toContain(`the line says \`${(await said('cluster.js')).trim()}\``);
    const receipt = await said('simulation.js');
    expect(receipt).toMatch(/^steps=\d+ seeds=1 .* lost=0 diverged=0 stuck=0 digest=[0-9a-f]{16}\n$/);
    const words = [...receipt.matchAll(/(\w+)=/g)].map(([, word = '']) => word);
    expect(words.filter((word) => !page.includes(`\`${word}\``))).toEqual([]);
  }, 120_000);
});
