import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compile, exampleFolder, execute, freePort, namedBlocks, page } from './examples.ts';

let folder: string;
beforeEach(async () => {
  folder = await exampleFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = (name: string, code: string): Promise<void> => writeFile(join(folder, name), code);

const MUTATORS = `
import { defineMutators } from 'cotable';
import type { schema } from './schema.ts';
export const mutators = defineMutators<typeof schema>({
  write: (ctx, { id, text }) => ctx.table('notes').set(id, { id, text, by: ctx.userId }),
});
`;

/** A token says all of itself. */
const TOKENS = `
export async function verify(token: string): Promise<{ sub: string; teams: string[]; exp: number } | null> {
  return token === 'forged' ? null : JSON.parse(token);
}
`;

/** Each user opens each room, and tells how it stands there. */
const USERS = `
import { createStore } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { filter, firstValueFrom } from 'rxjs';
import { backend } from './backend.js';
import { mutators } from './mutators.js';
import { schema } from './schema.js';

const hub = memoryHub();
createRelay({ backend, storage: memoryRelayStorage(), acceptors: [hub.acceptor()] });
const exp = Date.now() / 1000 + 60;
const seen = [];
for (const token of [JSON.stringify({ sub: 'alice', teams: ['team-a'], exp }), 'forged', '']) {
  for (const room of ['team-a', 'public/news', 'team-b']) {
    const storage = memoryClientStorage();
    const store = createStore({ schema, mutators, room, storage, transports: [hub.transport()], token: () => token });
    const is = ({ state, reason }) => state === 'online' || (reason && state !== 'offline' && reason.code !== 'storage.notDurable');
    const { state, reason, mayWrite } = await firstValueFrom(store.status$.pipe(filter(is)));
    if (state === 'online' && mayWrite) {
      await (await store.mutate.write({ id: 'a', text: 'A' })).confirmed;
      seen.push(store.table('notes').get('a').by);
    } else seen.push(state === 'online' ? 'reads' : reason.code);
    await store.close();
  }
}
process.stdout.write(JSON.stringify(seen));
process.exit(0);
`;

/** A model that says what it was told. */
const MODEL = `
export async function* model(question: string, signal: AbortSignal): AsyncGenerator<string> {
  for (const word of ('you said ' + question).split(' ')) {
    signal.throwIfAborted();
    yield word + ' ';
  }
}
`;

/** What stands around an example of a server: a relay before it, and behind it a store of each kind. */
const BEFORE = `
import { createStore, defineMutators, defineSchema, table } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { http } from 'cotable/transports/http';
import { webSocket } from 'cotable/transports/websocket';
import { WebSocket } from 'ws';
import { z } from 'zod';

const note = z.object({ id: z.string(), ip: z.string() });
const schema = defineSchema({ schemaVersion: 1, tables: { notes: { schema: table(note) } }, mutators: { write: { input: note } } });
const mutators = defineMutators({ write: (ctx, input) => ctx.table('notes').set(input.id, input) });
const ips = [];
const authenticate = ({ ip }) => (ips.push(ip.replace('::ffff:', '').replace('::1', '127.0.0.1')), { userId: 'alice' });
const relay = createRelay({ backend: { schema, mutators, authenticate }, storage: memoryRelayStorage() });
`;
const AFTER = `
for (let tries = 0; tries < 200; tries++) {
  if (await fetch('http://localhost:8080/relay/healthz').then((response) => response.ok, () => false)) break;
  await new Promise((resolve) => setTimeout(resolve, 10));
}
for (const way of [webSocket('ws://localhost:8080/relay', { WebSocket }), http('http://localhost:8080/relay')]) {
  const store = createStore({ schema, mutators, room: 'room', storage: memoryClientStorage(), transports: [way] });
  await store.synced;
  await (await store.mutate.write({ id: String(ips.length), ip: ips.at(-1) })).confirmed;
  if (ips.length === 2) process.stdout.write(JSON.stringify(store.table('notes').list()));
}
process.exit(0);
`;

/** Two pages in a room: one plays and talks, both hear. */
const PAGES = `
import { defineSchema } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { events } from './events.js';
import { listen, move, openPage, send } from './page.js';

const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });
const logger = { info() {}, warn() {}, error() {} };
const relay = createRelay({ backend: { schema, mutators: {}, events }, storage: memoryRelayStorage(), logger });
const { url } = await relay.listen();
const [ann, ben] = [openPage(url, 'ann'), openPage(url, 'ben')];
const [byAnn, byBen, progress] = [[], [], []];
listen(ann, (text) => byAnn.push(text));
listen(ben, (text) => byBen.push(text));
while (![ann, ben].every(({ status }) => status.rooms['game-room-123'].state === 'online')) await new Promise((done) => ann.subscribe(done) && ben.subscribe(done));
const answers = [await move(ann, 'e2', 'e4'), await move(ann, 'e2', 'e2'), await send(ann, 'hello there', (text) => progress.push(text))];
while (byBen.length < 3) await new Promise((done) => setTimeout(done, 5));
process.stdout.write(JSON.stringify({ answers, progress, byAnn, byBen }));
process.exit(0);
`;

describe('the documentation', () => {
  it('[RM7 A5] says when to write a mutator and when an action', async () => {
    const guide = (await page('docs/guide.md')).replaceAll(/\s+/g, ' ');
    expect(guide).toContain('a mutator when the tab has all the data');
    expect(guide).toContain('an action when something is needed that only the server has, or its randomness');
  });

  it('[RM4] has an example of authentication that compiles and does what it says', async () => {
    const files = namedBlocks(await page('docs/authentication.md'));
    expect([...files.keys()]).toEqual(['schema.ts', 'backend.ts']);
    for (const [name, code] of files) await write(name, code);
    await write('mutators.ts', MUTATORS);
    await write('tokens.ts', TOKENS);
    await write('users.mjs', USERS);
    await compile(folder);
    expect(JSON.parse(await execute(folder, 'users.mjs'))).toEqual([
      'alice',
      'reads',
      'auth.forbidden',
      'auth.expired',
      'auth.expired',
      'auth.expired',
      'auth.required',
      'auth.required',
      'auth.required',
    ]);
  }, 60_000);

  it('[RM6] has an example of a flow that compiles and does what it says', async () => {
    const files = namedBlocks(await page('docs/flows.md'));
    expect([...files.keys()]).toEqual(['flow.ts', 'server.ts', 'page.ts']);
    const port = String(await freePort());
    for (const [name, code] of files) await write(name, code.replaceAll('8080', port));
    await write('model.ts', MODEL);
    await write('both.mjs', "await import('./server.js'); await import('./page.js'); process.exit(0);");
    await compile(folder);
    expect(await execute(folder, 'both.mjs')).toBe('you said hello! 3\n');
  }, 60_000);

  it.each(['Hono, with', '`node:http` alone'])(
    '[RM5] has an example of a relay in a server that runs as it stands: %s',
    async (which) => {
      const text = await page('docs/deployment.md');
      const code = /```ts\n([\s\S]*?)```/.exec(text.slice(text.indexOf(`\n${which}`)))?.[1] ?? '';
      expect(code).toContain('relay.attach(server');
      const port = String(await freePort());
      await write('server.mjs', `${BEFORE}${code}${AFTER}`.replaceAll('8080', port));
      expect(JSON.parse(await execute(folder, 'server.mjs'))).toEqual([
        { id: '1', ip: '127.0.0.1' },
        { id: '2', ip: '127.0.0.1' },
      ]);
    },
    30_000,
  );

  it('[SY57] has an example of room events in a page that compiles and does what it says', async () => {
    const files = namedBlocks(await page('docs/events-client.md'));
    expect([...files.keys()]).toEqual(['events.ts', 'page.ts']);
    for (const [name, code] of files) await write(name, code);
    await write('pages.mjs', PAGES);
    await compile(folder);
    expect(JSON.parse(await execute(folder, 'pages.mjs'))).toEqual({
      answers: ['e2-e4', expect.stringMatching(/^chess.noMove: /), 'HELLO THERE'],
      progress: ['1 of 2', '2 of 2'],
      byAnn: ['HELLO', 'THERE', 'done: HELLO THERE'],
      byBen: ['HELLO', 'THERE', 'done: HELLO THERE'],
    });
  }, 60_000);
});
