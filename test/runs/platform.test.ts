import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reject } from 'cotable';
import { folderBlobs, permissions } from 'cotable/adapters/platform';
import { definePlatform } from 'cotable/relay';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inAnAction } from './in-an-action.ts';

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'cotable-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

function platformIn(place: string) {
  return definePlatform({
    ...folderBlobs(join(place, 'blobs')),
    ...permissions((userId, scope, room) => userId === 'ann' && scope === 'write' && room === 'room'),
    'words.say': async function* ({ text }: { readonly text: string }) {
      for (const word of text.split(' ')) yield word;
    },
    'sums.add': async ({ a, b }: { readonly a: number; readonly b: number }) => a + b,
    'sums.fail': () => Promise.reject(new Error('no more numbers')),
    'sums.refuse': () => reject('sums.closed', { until: 5 }),
  });
}
describe('the platform of a backend', () => {
  it('[PL1 A13 AX5] is called by name with typed input, for the user and the room of the run', async () => {
    const result = await inAnAction(platformIn(await folder()), async (ctx) => {
      const sum: number = await ctx.platform.call('sums.add', { a: 2, b: 3 });
      const words: string[] = [];
      for await (const word of await ctx.platform.call('words.say', { text: 'piece by piece' })) words.push(word);
      const write = await ctx.platform.call('permissions.check', { scope: 'write' });
      const own = await ctx.platform.call('permissions.check', { scope: 'own' });
      // @ts-expect-error a number is no text
      void ctx.platform.call('sums.add', { a: '2', b: 3 });
      return [sum, words, write, own];
    });
    expect(result).toEqual([5, ['piece', 'by', 'piece'], { allowed: true }, { allowed: false }]);
  });

  it('[PL2] rejects with a code for a service that is not there, and for one that throws', async () => {
    const result = await inAnAction(platformIn(await folder()), async (ctx) => {
      const codeOf = (call: Promise<unknown>): Promise<unknown> =>
        call.catch((error: { code: string; params: unknown }) => [error.code, error.params]);
      return [
        // @ts-expect-error there is no such service
        await codeOf(ctx.platform.call('sums.subtract', {})),
        await codeOf(ctx.platform.call('sums.fail', undefined as never)),
        await codeOf(ctx.platform.call('sums.refuse', undefined as never)),
      ];
    });
    expect(result).toEqual([
      ['platform.unknownService', { service: 'sums.subtract' }],
      ['platform.failed', { service: 'sums.fail', reason: 'no more numbers' }],
      ['sums.closed', { until: 5 }],
    ]);
  });
});

describe('blobs in a folder', () => {
  it('[PL3] are kept once by their content, and no name leads out of the folder', async () => {
    const place = await folder();
    const blobs = folderBlobs(join(place, 'blobs'));
    const bytes = new TextEncoder().encode('hello');
    const [one, two] = await Promise.all([blobs['blob.put']({ bytes }), blobs['blob.put']({ bytes })]);
    expect(one).toEqual(two);
    expect(one.hash).toBe('2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824');
    expect(await readdir(join(place, 'blobs'))).toEqual([one.hash]);
    expect(await blobs['blob.get']({ hash: one.hash })).toEqual(bytes);
    expect(await blobs['blob.has']({ hash: one.hash })).toBe(true);
    expect(await blobs['blob.has']({ hash: '0'.repeat(64) })).toBe(false);
    expect(await blobs['blob.get']({ hash: '../../etc/passwd' })).toBeUndefined();
  });
});
