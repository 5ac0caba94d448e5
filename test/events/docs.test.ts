import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { compile, exampleFolder, execute, namedBlocks, page } from '../examples.ts';

const SCHEMA = `
import { defineSchema } from 'cotable';
import { z } from 'zod';
export const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {}, session: z.object({ role: z.enum(['member', 'guest']) }) });
`;

const MODEL = `
export async function* model(prompt: string, signal: AbortSignal): AsyncGenerator<string> {
  for (const word of prompt.split(' ')) if (!signal.aborted) yield word + '!';
}
`;

const CALLS = `
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { backend } from './backend.js';

const relay = createRelay({ backend, storage: memoryRelayStorage() });
const call = async (path, data, token, headers = {}) => {
  const response = await relay.fetch(new Request('http://relay' + path, {
    method: 'POST',
    headers: { authorization: 'Bearer ' + token, ...headers },
    body: JSON.stringify({ data, receiver: 'room-1', ignoreSelf: false }),
  }));
  return response.text();
};
const seen = [];
seen.push(JSON.parse(await call('/sync/examples/updateCounter/v1', { amount: 1 }, 'ann')));
seen.push(JSON.parse(await call('/sync/chat/sendMessage/v1', { prompt: 'a b' }, 'ann')));
seen.push(JSON.parse(await call('/sync/chat/sendMessage/v1', { prompt: 'a b' }, 'guest')).errorCode);
seen.push(await call('/sync/chat/sendMessage/v1?stream=true', { prompt: 'a b' }, 'ann'));
for (let n = 0; n < 60; n++) await call('/sync/examples/updateCounter/v1', { amount: n }, 'ann');
seen.push(JSON.parse(await call('/sync/examples/updateCounter/v1', { amount: 1 }, 'ann', { 'accept-language': 'de-DE' })).message);
process.stdout.write(JSON.stringify(seen));
process.exit(0);
`;

it('[EV35] the page on events has examples that compile and do what it says', async () => {
  const folder = await exampleFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const files = namedBlocks(await page('docs/events.md'));
  expect([...files.keys()]).toEqual(['events.ts', 'backend.ts']);
  for (const [name, code] of [...files, ['schema.ts', SCHEMA], ['model.ts', MODEL], ['calls.mjs', CALLS]] as const) {
    await writeFile(join(folder, name), code);
  }
  await compile(folder);
  const [counted, said, refused, streamed, limited] = JSON.parse(await execute(folder, 'calls.mjs')) as unknown[];
  expect(counted).toEqual({ status: 'success', message: 'Done', result: { newValue: 2 }, recipientCount: 0 });
  expect(said).toMatchObject({ result: { message: 'a!b!' } });
  expect(refused).toBe('auth.forbidden');
  expect(streamed).toMatch(/^:\n\nevent: final\ndata: \{"status":"success",/);
  expect(limited).toMatch(/^Zu oft: noch \d+ s$/);
}, 60_000);
