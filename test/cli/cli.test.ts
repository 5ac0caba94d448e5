import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { createStore, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { webSocket } from 'cotable/transports/websocket';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { endAll, main, run, start, type Command } from './command.ts';
import { createProject, type Project } from './project.ts';
import { mutators } from './project/mutators.ts';
import { schema } from './project/schema.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let project: Project;
const stores = new Set<Store<typeof schema>>();

beforeAll(async () => {
  project = await createProject();
});
afterEach(async () => {
  await Promise.all([...stores].map((store) => store.close()));
  stores.clear();
  await endAll();
});
afterAll(() => project?.remove());

const relay = (...args: readonly string[]): Command => start(project.folder, 'relay', ...args);
const ready = async (command: Command): Promise<{ readonly url: string; readonly output: string }> => {
  const output = await command.printed('Rooms:');
  return { url: /^Relay: +(ws:\S+)$/m.exec(output)?.[1] ?? 'none', output };
};

/** Without what links lead to: the package is linked, and links back. */
async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
}

function open(url: string, userId: string): Store<typeof schema> {
  const transports = [webSocket(url, { WebSocket })];
  const store = createStore({ schema, mutators, room: 'lobby', userId, storage: memoryClientStorage(), transports });
  stores.add(store);
  return store;
}

/** Writes a note that the relay keeps. */
async function write(store: Store<typeof schema>, note: { readonly id: string; readonly text: string }): Promise<void> {
  const { confirmed } = await store.mutate.write(note);
  await confirmed;
}

describe('cotable relay', () => {
  it('[CL1] runs a backend in TypeScript, over which stores meet', async () => {
    const command = relay('backend.ts', '--port', '0', '--data', ':memory:');
    const { url } = await ready(command);
    const [alice, bob] = [open(url, 'alice'), open(url, 'bob')];
    const note = { id: 'n1', text: 'hello' };
    await write(alice, note);
    await expect.poll(() => bob.table('notes').list()).toEqual([note]);
    // This backend authenticates nobody.
    expect(await command.end('SIGTERM')).toMatchObject({ stderr: '', stdout: expect.stringContaining('DEVELOPMENT MODE') });
  });

  it('[CL2] keeps rooms in the file of --data, and writes nothing else', async () => {
    const before = await filesOf(project.folder);
    const args = ['backend.ts', '--port', '0', '--data', 'kept/rooms.db'];
    const first = relay(...args);
    const note = { id: 'n1', text: 'kept' };
    await write(open((await ready(first)).url, 'alice'), note);
    await first.end('SIGTERM');
    const { url } = await ready(relay(...args));
    const bob = open(url, 'bob');
    await expect.poll(() => bob.table('notes').list()).toEqual([note]);
    await endAll();
    const written = (await filesOf(project.folder)).filter((path) => !before.includes(path));
    expect(written.filter((path) => !path.startsWith('kept'))).toEqual([]);
  });

  it('[CL3] says where the relay, its data and its health are, and how a room is opened', async () => {
    const { output, url } = await ready(relay('backend.ts', '--port', '0', '--data', 'data.db'));
    expect(output).toContain(`\nData:   SQLite (`);
    expect(output).toContain(`) ${join(project.folder, 'data.db')}\n`);
    expect(output).toContain(`room: 'lobby', transports: [webSocket('${url}')]`);
    const health = /^Health: (\S+)$/m.exec(output)?.[1] ?? 'none';
    expect(await (await fetch(health)).json()).toMatchObject({ status: 'ok' });
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('[CL4] shuts down on %s with code 0, though the backend holds something open', async (signal) => {
    const name = await project.write('open.ts', [`export { backend } from './backend.ts';`, 'setInterval(() => undefined, 1000);']);
    const command = relay(name, '--port', '0', '--data', ':memory:');
    await ready(command);
    expect(await command.end(signal)).toMatchObject({ code: 0, stderr: '' });
  });

  it('[CL4] takes signals that come together for one', async () => {
    const command = relay('backend.ts', '--port', '0', '--data', ':memory:');
    const { url } = await ready(command);
    await write(open(url, 'alice'), { id: 'n1', text: 'hello' });
    void command.end('SIGTERM');
    expect(await command.end('SIGINT')).toMatchObject({ code: 0, stderr: '' });
  });

  it.each([
    ['a default', 'default.ts', `import { backend } from './backend.ts'; export default backend;`],
    ['names', 'names.ts', `export { schema } from './schema.ts'; export { mutators } from './mutators.ts';`],
    ['what only a compiler knows', 'enum.mts', `enum E { A } export { backend } from './backend.ts'; export const a: E = E.A;`],
    ['top-level await', 'await.ts', `export const { backend } = await import('./backend.ts');`],
    [
      'JavaScript',
      'plain.mjs',
      `import { defineSchema } from 'cotable'; export const mutators = {};
      export const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });`,
    ],
    ['CommonJS', 'plain.cjs', `module.exports = { schema: { schemaVersion: 1, tables: {}, mutators: {}, actions: {} }, mutators: {} };`],
  ])('[CL5] takes a backend with %s', async (_, name, text) => {
    await project.write(name, [text]);
    await ready(relay(name, '--port', '0', '--data', ':memory:'));
  });

  it('[CL6] is the copy of Cotable that the backend imports', async () => {
    const name = await project.write('exported.ts', [
      `import { CotableError } from 'cotable';`,
      `import { backend } from './backend.ts';`,
      `export default { ...backend, CotableError };`,
    ]);
    const loader = join(dirname(main), 'load-backend.js');
    const { stdout } = await promisify(execFile)(process.execPath, ['same-class.mjs', loader, join(project.folder, name)], {
      cwd: project.folder,
    });
    expect(stdout).toBe('true');
  });

  it('[CL7] hands over to that copy when it is another one', async () => {
    const other = await createProject({ version: '9.9.9' });
    try {
      const command = start(other.folder, 'relay', 'backend.ts', '--port', '0', '--data', ':memory:');
      const { output, url } = await ready(command);
      expect(output).toContain('Cotable 9.9.9\n');
      await write(open(url, 'alice'), { id: 'n1', text: 'hello' });
      // Yjs complains when it is loaded twice.
      expect(await command.end('SIGTERM')).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await other.remove();
    }
  });

  it('[CL8] lets in the pages of each --origin and no others; programs need none', async () => {
    const origins = ['--origin', 'https://app.example', '--origin', 'capacitor://localhost'];
    const { url } = await ready(relay('backend.ts', '--port', '0', '--data', ':memory:', ...origins));
    const answer = (origin?: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, { origin });
        socket.on('open', () => socket.close());
        socket.on('close', () => resolve('opened'));
        socket.on('error', (error) => resolve(error.message));
      });
    expect(await Promise.all([answer('https://app.example'), answer('capacitor://localhost'), answer()])).toEqual(Array(3).fill('opened'));
    expect(await answer('https://evil.example')).toContain('403');
  });
});

describe('the command line', () => {
  it('[CL9] explains itself', async () => {
    const { version } = JSON.parse(await readFile(join(project.folder, 'node_modules/cotable/package.json'), 'utf8')) as {
      version: string;
    };
    expect(await run(project.folder, '--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
    for (const args of [['--help'], ['-h']]) {
      expect(await run(project.folder, ...args)).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('cotable relay') });
    }
    const { code, stdout } = await run(project.folder, 'relay', '--help');
    expect(code).toBe(0);
    for (const part of ['<BACKEND>', '--port', '8080', '--host', '127.0.0.1', '--data', '--origin', 'npx cotable relay ./backend.ts'])
      expect(stdout).toContain(part);
    // eslint-disable-next-line no-control-regex -- what is read by a program has no colours
    expect(stdout).not.toMatch(/\u001b/);
  });

  it.each([
    ['', 'No command'],
    ['serve', 'serve'],
    ['--frob', `'--frob'`],
    ['relay', 'BACKEND'],
    ['relay nowhere.ts', 'There is no file'],
    ['relay node_modules', 'There is no file'],
    ['relay backend.ts another.ts', `'another.ts'`],
    ['relay backend.ts --prot 8080', `'--prot'`],
    ['relay backend.ts --port', '--port'],
    ['relay backend.ts --port 80a', `'80a'`],
    ['relay backend.ts --port 65536', `'65536'`],
    ['relay backend.ts --origin https://app.example/', `'https://app.example/'`],
  ])("[CL10] says what it does not understand in 'cotable %s', with code 2", async (line, part) => {
    const { code, stdout, stderr } = await run(project.folder, ...line.split(' ').filter(Boolean));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^cotable: .*\nRun 'cotable (relay )?--help'\.\n$/);
    expect(stderr).toContain(part);
  });
});

describe('what cannot be started', () => {
  it.each([
    [
      'throws',
      ['const settings: { readonly a?: { readonly b: number } } = {};', 'export const b = settings.a!.b;'],
      ['TypeError', ':2\n', 'settings.a!.b'],
    ],
    ['does not parse', ['export const a = 1;', 'export const b = {,};'], [':2\n', '{,}']],
    ['imports a file that is not there', [`import './nowhere.ts';`], [`'./nowhere.ts'`]],
    ['imports a package that is not there', [`import '@some/where/deep';`], ['npm install @some/where\n']],
    [
      'declares what is no schema',
      [`import { defineSchema } from 'cotable';`, 'defineSchema({});'],
      ['schema.invalid', ':2\n', 'schemaVersion'],
    ],
    ['exports no backend', ['export const bakend = 1;'], ['but bakend', 'export const backend = defineBackendConfig(']],
    ['has no schema', ['export default { mutators: {} };'], ['defineSchema']],
    ['has no mutators', [`export { schema } from './schema.ts';`], ['defineMutators']],
    ['lacks a mutator', [`export { schema } from './schema.ts';`, 'export const mutators = {};'], ['schema.invalid', 'mutators.write']],
  ])('[CL11] a backend that %s: its file, the place and what to do, with code 1', async (_, lines, parts) => {
    const name = await project.write('bad.ts', lines);
    const { code, stdout, stderr } = await run(project.folder, 'relay', name, '--port', '0', '--data', ':memory:');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(join(project.folder, name));
    for (const part of parts) expect(stderr).toContain(part);
    expect(stderr).not.toContain('node:internal');
  });

  it('[CL12] a port that is taken: its number, and what to do, with code 1', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? String(address?.port) : 'none';
    const { code, stdout, stderr } = await run(project.folder, 'relay', 'backend.ts', '--port', port, '--data', ':memory:');
    server.close();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^cotable: Port ${port} of 127.0.0.1 is taken\n.*--port`));
  });

  it('[CL13] a file of data that cannot be opened: its path, with code 1', async () => {
    const { code, stdout, stderr } = await run(project.folder, 'relay', 'backend.ts', '--port', '0', '--data', 'backend.ts/data.db');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(join(project.folder, 'backend.ts/data.db'));
    expect(stderr).toContain('storage.unavailable');
  });
});
