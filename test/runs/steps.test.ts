import { describe, expect, it } from 'vitest';
import { engine, stopTime } from './engine.ts';

describe('steps and mutations of a run', () => {
  it('[RN19] a step that was done is not done again: not after an error, nor after a crash, nor twice at once', async () => {
    const { pass } = stopTime();
    const done: string[] = [];
    const seen: unknown[] = [];
    const all = engine({
      work: {
        retry: { firstDelayMs: 0 },
        async run(ctx) {
          const step = (key: string, value: unknown): Promise<unknown> =>
            ctx.step(key, () => {
              done.push(`${key} in ${ctx.attempt}`);
              return value;
            });
          seen.push(await Promise.all([step('a', { at: 1 }), step('a', { at: 2 })]), await step('nothing', undefined));
          if (ctx.attempt === 1) throw new Error('again');
          await step('b', [ctx.attempt]);
          if (ctx.attempt === 2) await new Promise(() => undefined);
          return { said: ctx.idempotencyKey === ctx.runId ? 'the key is the run' : 'no' };
        },
      },
    });
    const ann = all.store('ann');
    await ann.mutate.ask({ id: 'x' });
    await pass(100);
    all.crash();
    all.start();
    await pass(100);
    expect(done).toEqual(['a in 1', 'nothing in 1', 'b in 2']);
    expect(seen).toEqual(Array.from({ length: 3 }, () => [[{ at: 1 }, { at: 1 }], undefined]).flat());
    expect((await all.runs())['x']).toMatchObject({ status: 'succeeded', attempt: 3, output: { said: 'the key is the run' } });
  });

  it('[RN19] a step that throws is not kept and may be done again; what is no JSON is refused', async () => {
    const { pass } = stopTime();
    const problems: unknown[] = [];
    const all = engine({
      work: {
        async run(ctx) {
          await ctx.step('s', () => Promise.reject(new Error('first'))).catch((error: Error) => problems.push(error.message));
          await ctx.step('s', () => new Date(0)).catch((error: unknown) => problems.push(error));
          return { said: await ctx.step('s', async () => 'third') };
        },
      },
    });
    const ann = all.store('ann');
    const handle = ann.action.work({ id: 'x' });
    await pass(100);
    expect(await handle).toEqual({ said: 'third' });
    expect(problems).toMatchObject(['first', { code: 'value.notJson', params: { path: 'step.s' } }]);
  });

  it('[RN20] a mutation of an attempt goes by the run, the attempt and its number, and is made once for each attempt', async () => {
    const { pass } = stopTime();
    const ids: string[] = [];
    const all = engine({
      work: {
        retry: { firstDelayMs: 0 },
        async run(ctx, { id: asked }) {
          if (asked !== 'x') return { said: 'asked by a mutation of a run' };
          for (const id of ['n', 'ask']) {
            ids.push((await ctx.mutate(id === 'n' ? 'note' : 'ask', { id })).id);
          }
          if (ctx.attempt === 1) throw new Error('again');
          return { said: '' };
        },
      },
      other: {},
    });
    const ann = all.store('ann');
    const { id: run, result } = ann.action.work({ id: 'x' });
    await pass(500);
    await result;
    expect(ids.slice(0, 4)).toEqual([`${run}/1/1`, `${run}/1/2`, `${run}/2/1`, `${run}/2/2`]);
    expect(ann.table('log').get('n')?.count).toBe(2);
    // What a mutation of a run asks for goes by that mutation.
    for (const attempt of [1, 2]) {
      expect(await all.storage.run('room', `${run}/${attempt}/2:1`)).toMatchObject({ status: 'succeeded', userId: 'ann' });
    }
  });

  it('[RN42] runs that ask for runs that ask for runs have names that do not grow for ever', async () => {
    const { pass } = stopTime();
    let depth = 0;
    const all = engine({
      other: {
        async run(ctx) {
          depth += 1;
          if (depth < 100) await ctx.enqueueAction('other', { id: String(depth) });
          return { said: '' };
        },
      },
    });
    const ann = all.store('ann');
    ann.action.other({ id: '0' }).result.then(undefined, () => undefined);
    await pass(1_000);
    const runs = Object.values(await all.runs());
    expect(runs).toHaveLength(100);
    expect(Math.max(...runs.map(({ id }) => id.length))).toBeLessThanOrEqual(160);
    expect(runs.every(({ status }) => status === 'succeeded')).toBe(true);
  });
});
