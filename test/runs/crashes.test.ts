import { describe, expect, it } from 'vitest';
import { engine, stopTime, turns } from './engine.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe('a run whose relay stops', () => {
  it('[RN15] is taken over at once by the next relay of the same storage, whatever its lease says', async () => {
    const { pass } = stopTime();
    const attempts: number[] = [];
    const all = engine({
      work: {
        run: async (ctx) => {
          attempts.push(ctx.attempt);
          if (ctx.attempt === 1) await ctx.mutate('note', { id: 'first' });
          return ctx.attempt === 1 ? never() : { said: 'done' };
        },
      },
    });
    const ann = all.store('ann');
    await ann.mutate.ask({ id: 'a' });
    await pass(5);
    expect((await all.runs())['a']).toMatchObject({ status: 'running', attempt: 1 });
    all.crash();
    all.start();
    await turns();
    expect((await all.runs())['a']).toMatchObject({ status: 'succeeded', attempt: 2, output: { said: 'done' } });
    expect(attempts).toEqual([1, 2]);
    expect(await all.ends()).toEqual({ a: 'succeeded  1' });
  });

  it('[RN15] of another relay is taken over when its lease has lapsed, and not before; one that lives goes on', async () => {
    const { pass } = stopTime();
    const attempts: [id: string, attempt: number][] = [];
    const all = engine({
      work: {
        run: async (ctx, { id }) => {
          attempts.push([id, ctx.attempt]);
          return ctx.attempt === 1 ? never() : { said: 'done' };
        },
      },
    });
    all.crash();
    all.start('first');
    const ann = all.store('ann');
    ann.action.work({ id: 'dead' }).result.then(undefined, () => undefined);
    await pass(100);
    all.crash();
    all.start('second');
    ann.action.work({ id: 'alive' }).result.then(undefined, () => undefined);
    await pass(25_000);
    expect(attempts).toEqual([
      ['dead', 1],
      ['alive', 1],
    ]);
    await pass(40_000);
    expect(attempts.slice(2)).toEqual([['dead', 2]]);
    expect(await all.ends()).toEqual({ dead: 'succeeded  1' });
  });

  it('[RN16] ten times over ends as failed: it may be what stops them', async () => {
    const { pass } = stopTime();
    let begun = 0;
    const all = engine({
      work: {
        run: () => {
          begun += 1;
          return never();
        },
      },
    });
    const ann = all.store('ann');
    await ann.mutate.ask({ id: 'a' });
    for (let crashes = 0; crashes < 12; crashes++) {
      await pass(10);
      all.crash();
      all.start();
    }
    await pass(10);
    expect(begun).toBe(10);
    expect((await all.runs())['a']).toMatchObject({
      status: 'failed',
      error: { code: 'run.failed', params: { reason: 'it was cut off 10 times' } },
    });
    expect(await all.ends()).toEqual({ a: 'failed run.failed 1' });
  });

  it('[RN18] hears that its lease is lost, with run.fenced, and writes nothing more', async () => {
    const { pass } = stopTime();
    const reasons: unknown[] = [];
    const all = engine({
      work: {
        run: (ctx) =>
          new Promise((resolve) => {
            if (ctx.attempt > 1) resolve({ said: 'elsewhere' });
            ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason));
          }),
      },
    });
    const ann = all.store('ann');
    await ann.mutate.ask({ id: 'a' });
    await pass(100);
    // As another relay does that has not heard of this one for too long.
    await all.storage.freeRuns(Date.now() + 60_000);
    await pass(10_100);
    expect(reasons).toMatchObject([{ code: 'run.fenced' }]);
  });

  it('[RN41] waits without a sound: nothing is read or written while nothing is due', async () => {
    const { pass } = stopTime();
    const all = engine({ work: { run: async () => ({ said: '' }) } });
    const ann = all.store('ann');
    await ann.action.work({ id: 'a' });
    await ann.mutate.ask({ id: 'later', runAfter: 7_200_000 });
    await pass(1_000);
    await ann.close();
    await pass(60_000);
    all.calls.length = 0;
    await pass(7_000_000);
    expect(all.calls).toEqual([]);
    await pass(300_000);
    expect((await all.runs())['later']).toMatchObject({ status: 'succeeded', attempt: 1 });
  });

  it('[RN37] a shutdown lets attempts end for a while, then hands them back, which counts as nothing', async () => {
    const { pass } = stopTime();
    let finish = (): void => undefined;
    const reasons: unknown[] = [];
    const all = engine({
      work: {
        run: (ctx, { id }) =>
          new Promise((resolve) => {
            if (ctx.attempt > 1 || id === 'new') resolve({ said: 'again' });
            if (id === 'quick') finish = () => resolve({ said: 'in time' });
            ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason));
          }),
      },
    });
    const ann = all.store('ann');
    for (const id of ['quick', 'slow']) await ann.mutate.ask({ id });
    await pass(100);
    const closed = all.relay.close({ graceMs: 5_000 });
    await ann.mutate.ask({ id: 'new' });
    await pass(4_000);
    finish();
    await pass(500);
    expect(reasons).toEqual([]);
    await pass(1_000);
    await closed;
    expect(reasons).toMatchObject([{ code: 'relay.closed' }]);
    expect((await all.storage.listRuns({}, undefined, 9)).runs).toMatchObject([
      { status: 'succeeded', attempt: 1 },
      { status: 'queued', attempt: 1, interruptions: 0, tries: 0 },
      { status: 'queued', attempt: 0 },
    ]);
    all.start();
    await pass(100);
    expect(await all.ends()).toEqual({ quick: 'succeeded  1', slow: 'succeeded  1', new: 'succeeded  1' });
  });
});
