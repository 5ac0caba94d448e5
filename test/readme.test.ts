import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, exampleFolder, execute, freePort, namedBlocks, page } from './examples.ts';

let folder: string;

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
async function compiled(name: string, files: ReadonlyMap<string, string>, change = (code: string): string => code): Promise<string> {
  const place = join(folder, name);
  await mkdir(place);
  for (const [file, code] of files) await writeFile(join(place, file), change(code));
  await compile(place);
  return place;
}

beforeAll(async () => {
  folder = await exampleFolder();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the README', () => {
  it('[RM1] has an example of about thirty lines that compiles and runs as it stands', async () => {
    const files = namedBlocks(await page('README.md'));
    expect([...files.keys()]).toEqual(['schema.ts', 'mutators.ts', 'relay.ts', 'app.ts']);
    const lines = [...files.values()].join('').split('\n').length;
    expect(lines).toBeLessThan(55);

    const port = String(await freePort());
    const place = await compiled('readme', files, (code) => code.replaceAll('8080', port).replace('./data.db', join(folder, 'data.db')));
    await writeFile(join(place, 'page.mjs'), PAGE);
    expect(JSON.parse(await execute(place, 'page.mjs'))).toEqual({ text: '- Buy milk' });
  }, 60_000);

  it('[RM2] names the two commands that set everything up, and both are there', async () => {
    const readme = await page('README.md');
    const { scripts } = JSON.parse(await page('package.json')) as { scripts: Record<string, string> };
    expect(readme).toContain('npm ci && npm run demo');
    expect(readme).toContain('npm ci && npm test');
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['demo', 'test']));
  });
});

describe('the page on testing', () => {
  it('[RM3] has examples that compile, run, and say what it says they do', async () => {
    const text = await page('docs/testing.md');
    const files = namedBlocks(text);
    expect([...files.keys()]).toEqual(['app.ts', 'cluster.ts', 'answers.ts', 'simulation.ts']);
    const place = await compiled('testing', files);
    expect(text).toContain(`the line says \`${(await execute(place, 'cluster.js')).trim()}\``);
    expect(text).toContain(`It prints \`${(await execute(place, 'answers.js')).trim()}\``);
    const receipt = await execute(place, 'simulation.js');
    expect(receipt).toMatch(/^steps=\d+ seeds=1 .* lost=0 diverged=0 stuck=0 digest=[0-9a-f]{16}\n$/);
    const words = [...receipt.matchAll(/(\w+)=/g)].map(([, word = '']) => word);
    expect(words.filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
  }, 120_000);
});
