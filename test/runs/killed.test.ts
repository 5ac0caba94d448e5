import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, type ActionContext, type Run } from 'cotable/relay';
import { expect, it, onTestFinished } from 'vitest';
import { inBatches } from '../faults/nth-call.ts';
import { mutators, noteEnd, schema, type S } from './engine.ts';

const script = fileURLToPath(new URL('killed-relay.mjs', import.meta.url));

interface Rows {
  readonly [key: string]: { readonly what: string; readonly count: number };
}
interface Said {
  readonly points: number;
  readonly runs: readonly Run[];
  readonly kept: string;
  readonly log: Rows;
  readonly ends: Rows;
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'cotable-killed-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** What a relay said that got through; `undefined` for one that killed itself. */
async function relay(file: string, k: number): Promise<Said | undefined> {
  const child = spawn(process.execPath, [script, file, String(k)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  const signal = await new Promise((resolve) => child.once('close', (_, by) => resolve(by)));
  if (signal === 'SIGKILL') return undefined;
  return JSON.parse(out) as Said;
}

it(
  '[RN40] a relay that is killed at any await of an attempt, or of what surrounds it, leaves a run that ends once, with all that it wrote',
  { timeout: 240_000 },
  async () => {
    const place = await folder();
    const template = join(place, 'template');
    const storage = sqlite(template);
    await storage.openRoom('room', { lineage: 1, epoch: 1, schemaVersion: 1 });
    await storage.queueRun('room', { id: 'run', name: 'work', input: '{"id":"whole"}', userId: 'ann', queuedAt: 1 });
    await storage.close();

    const check = async (k: number): Promise<Said & { readonly wasKilled: boolean; readonly effects: number }> => {
      const file = join(place, `at ${k}`);
      await copyFile(template, file);
      const first = await relay(file, k);
      const said = first ?? (await relay(file, 0));
      const what = `killed at ${k}`;
      if (!said) throw new Error(`${what}: it was killed again`);
      const { runs, kept, log, ends } = said;
      const [run, child, ...others] = runs;
      expect([run?.status, child?.status, others], what).toEqual(['succeeded', 'succeeded', []]);
      // A crash costs an attempt, and nothing else.
      expect(run?.attempt, what).toBeLessThanOrEqual(2);
      const made = (JSON.parse(kept) as { readonly value: string }).value;
      expect(ends, what).toEqual({
        run: { what: `succeeded: said ${made} / ${made}`, count: 1 },
        [child?.id ?? '']: { what: 'succeeded:  / child', count: 1 },
      });
      expect(log['first']?.what, what).toBe('begun');
      expect(log['last']?.what, what).toBe(made);
      for (const { count } of Object.values(log)) expect(count, what).toBeLessThanOrEqual(run?.attempt ?? 0);
      const effects = (await readFile(`${file}.effects`, 'utf8')).split('\n').length - 1;
      expect(effects, what).toBeLessThanOrEqual(run?.attempt ?? 0);
      return { ...said, wasKilled: first === undefined, effects };
    };

    const { points } = await check(0);
    expect(points).toBeGreaterThan(30);
    let killed = 0;
    let again = 0;
    await inBatches(
      Array.from({ length: points }, (_, index) => index + 1),
      3,
      async (k) => {
        const { wasKilled, effects } = await check(k);
        if (wasKilled) killed += 1;
        if (effects > 1) again += 1;
      },
    );
    // What the relay does besides may come in another order, so that the last points may not be there.
    expect(killed).toBeGreaterThan(points - 5);
    // Only a kill between what a step does and the moment it is kept makes it do that again.
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThan(8);
  },
);

it('[RN17] an attempt that is over, at work over a connection of its own, is refused whatever it tries', async () => {
  const file = join(await folder(), 'relay.db');
  const tried: unknown[] = [];
  let zombie: ActionContext<S, string> | undefined;
  let wake = (): void => undefined;
  const done = new Promise<void>((resolve) => (wake = resolve));
  let finish = (): void => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  const began: (() => void)[] = [];
  const start = (isFirst: boolean) =>
    createRelay({
      backend: {
        schema,
        mutators,
        actions: {
          work: {
            async run(ctx, { id }) {
              if (!isFirst) {
                await done;
                return { said: 'by the second' };
              }
              if (id === 'returns') {
                await over;
                return { said: 'by the first' };
              }
              zombie = ctx;
              began.shift()?.();
              await new Promise((resolve) => began.push(() => resolve(undefined)));
              const codeOf = (work: Promise<unknown>): Promise<unknown> =>
                work.then(
                  () => 'done',
                  (error: { code: string }) => error.code,
                );
              tried.push(await codeOf(ctx.step('s', () => 'zombie')));
              tried.push(await codeOf(ctx.enqueueAction('other', { id: 'zombie' })));
              tried.push(await codeOf(ctx.mutate('note', { id: 'zombie' })));
              tried.push(await codeOf((async () => ctx.broadcastStream('zombie'))()));
              return { said: 'by the first' };
            },
            onSettled: noteEnd,
          },
          other: async () => ({ said: '' }),
        },
      },
      storage: sqlite(file),
    });
  const first = start(true);
  const isAtWork = new Promise<void>((resolve) => began.push(resolve));
  for (const id of ['tries', 'returns']) await first.mutate('room', 'ask', { id });
  await isAtWork;
  const second = start(false);
  const storage = sqlite(file);
  onTestFinished(async () => {
    for (const one of [first, second]) await one.close({ graceMs: 0 });
    await storage.close();
  });
  const run = async () => (await storage.listRuns({}, undefined, 9)).runs;
  await expect.poll(async () => (await run()).map(({ attempt }) => attempt)).toEqual([2, 2]);
  expect(zombie?.signal.aborted).toBe(false);
  began.shift()?.();
  await expect.poll(() => tried.length).toBe(4);
  expect(tried).toEqual(['run.fenced', 'run.fenced', 'run.fenced', 'run.fenced']);
  expect(await storage.step('room', 'r', 's')).toBeUndefined();
  finish();
  await first.close();
  wake();
  await second.drain();
  const ended = { status: 'succeeded', attempt: 2, interruptions: 1, ending: { output: '{"said":"by the second"}' } };
  expect(await run()).toMatchObject([ended, ended]);
  // What asked for the runs, and what ended them: the zombies have written nothing.
  expect(await storage.entries('room', 0, 9)).toHaveLength(4);
});
