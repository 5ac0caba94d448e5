import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { enter, type Answer, type EventLink } from './link.ts';
import { folder } from './scene.ts';

const script = fileURLToPath(new URL('killed-relay.mjs', import.meta.url));

interface Process {
  readonly url: string;
  /** Resolves when it has ended, with what it said last. */
  readonly ended: Promise<string>;
  readonly child: ChildProcess;
}

async function start(file: string, k: number): Promise<Process> {
  const child = spawn(process.execPath, [script, file, String(k)], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(out.trim().split('\n').at(-1) ?? '')));
  const url = await new Promise<string>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
      if (out.includes('\n')) resolve(out.split('\n')[0] ?? '');
    });
  });
  return { url, ended, child };
}

/** What is answered, or `undefined` when the relay has gone first. */
async function ask({
  url,
  ended,
}: Process): Promise<{ readonly answer: Answer | undefined; readonly ann: EventLink; readonly ben: EventLink }> {
  const [ann, ben] = [await enter(url, { userId: 'ann' }), await enter(url, { userId: 'ben' })];
  // Once it is answered, both listen.
  await ben.ask({ name: 'no/such' });
  const answer = await Promise.race([ann.ask({ name: 'a/b', request: 'the same' }), ended.then(() => undefined)]);
  return { answer, ann, ben };
}

it(
  '[EV5 C8 CX7] a relay that is killed at any await of a request leaves one that is answered, and a handler that was begun at most once',
  { timeout: 240_000 },
  async () => {
    const place = await folder();

    const check = async (k: number): Promise<string> => {
      const file = join(place, `at ${k}`);
      const what = `killed at ${k}`;
      const first = await start(file, k);
      const { answer: heard, ben } = await ask(first);
      expect(ben.events().length, what).toBeLessThanOrEqual(1);
      let answer = heard;
      if (!answer) {
        const second = await start(file, 0);
        const again = await ask(second);
        ({ answer } = again);
        second.child.kill('SIGTERM');
        await second.ended;
        const delivered = ben.events().length + again.ben.events().length;
        expect(delivered, what).toBeLessThanOrEqual(1);
      } else first.child.kill('SIGTERM');
      const last = await first.ended;
      const effects = (await readFile(`${file}.effects`, 'utf8').catch(() => '')).split('\n').length - 1;
      expect(effects, what).toBeLessThanOrEqual(1);
      if (answer?.status === 'success') {
        expect([answer.result, effects], what).toEqual([{ done: true }, 1]);
        // A relay that comes back begins what was left at once, whoever listens by then.
        expect(answer.recipientCount, what).toBeLessThanOrEqual(2);
      } else expect([answer?.errorCode, answer?.httpStatus], what).toEqual(['sync.serverExecutionFailed', 500]);
      return heard ? last : (answer?.status ?? '');
    };

    const points = Number(await check(0));
    expect(points).toBeGreaterThan(10);
    const ends = new Map<string, number>();
    for (let k = 1; k <= points; k += 2) {
      for (const end of await Promise.all([check(k), check(k + 1)])) ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    // Before it was begun it is begun later; while it was at work it has failed; when it was done it is known.
    expect(ends.get('success')).toBeGreaterThan(2);
    expect(ends.get('error')).toBeGreaterThan(2);
  },
);
