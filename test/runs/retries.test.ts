import { CotableError, reject } from 'cotable';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { engine, stopTime, type Work } from './engine.ts';

/** Each attempt fails with what `errors` has for it; the times of the attempts. */
function failing(errors: readonly unknown[]): { readonly times: number[]; readonly run: () => Promise<{ said: string }> } {
  const times: number[] = [];
  const run = async (): Promise<{ said: string }> => {
    const error = errors[times.push(Date.now()) - 1];
    if (error !== undefined) throw error;
    return { said: 'fine' };
  };
  return { times, run };
}

/** From `fix` on, chance gives one number, until `free`. A relay holds on to the chance it was made with. */
function chance(): { readonly fix: (number: number) => void; readonly free: () => void } {
  let fixed: number | undefined;
  const real = Math.random;
  const spy = vi.spyOn(Math, 'random').mockImplementation(() => fixed ?? real());
  onTestFinished(() => spy.mockRestore());
  return { fix: (number) => void (fixed = number), free: () => void (fixed = undefined) };
}

describe('a run that fails', () => {
  it('[RN60] is given back behind all that its attempt wrote, though nobody waits for that', async () => {
    const errors: unknown[] = [];
    const run: Work['run'] = async (ctx, { id }) => {
      ctx.mutate('note', { id, what: String(ctx.attempt) }).catch(() => undefined);
      // It is made then, and on its way to the disk.
      for (let turn = 0; turn < 10; turn++) await undefined;
      throw new Error('it does not wait for what it wrote');
    };
    const all = engine({ work: { run, retry: { attempts: 2, firstDelayMs: 0 } }, errors });
    const ann = all.store('ann');
    await ann.synced;
    await expect(ann.action.work({ id: 'a' }).result).rejects.toMatchObject({ code: 'run.failed' });
    // A refused group would have thrown the room out of memory.
    expect(errors).toEqual([]);
    expect(ann.table('log').get('a')).toEqual({ what: '2', count: 2 });
  });

  it('[RN11] is tried again up to three times, after a random part of 1 s, then of 2 s, and is kept as failed', async () => {
    const { pass } = stopTime();
    const { fix, free } = chance();
    const error = new Error('not now');
    const { times, run } = failing([error, error, error]);
    const all = engine({ work: { run } });
    const ann = all.store('ann');
    await ann.synced;
    fix(0.5);
    const handle = ann.action.work({ id: 'a' });
    const states: string[] = [];
    handle.status$.subscribe((status) => states.push(status));
    await pass(499);
    expect(times).toHaveLength(1);
    expect((await all.runs())['a']).toMatchObject({ status: 'waiting', attempt: 1, error: { code: 'run.failed' } });
    await pass(2_000);
    free();
    expect([times[1], times[2]].map((time) => (time ?? 0) - (times[0] ?? 0))).toEqual([expect.closeTo(500, -2), expect.closeTo(1_500, -2)]);
    await expect(handle.result).rejects.toMatchObject({ code: 'run.failed' });
    expect(states).toEqual(['pending', 'queued', 'running', 'waiting', 'running', 'waiting', 'running', 'failed']);
    expect(await all.ends()).toEqual({ a: 'failed run.failed 1' });
    await pass(3_600_000);
    expect(times).toHaveLength(3);
  });

  it('[RN11] waits no longer than its policy says, and at least as long as the error does', async () => {
    const { pass } = stopTime();
    const { fix, free } = chance();
    const slow = Object.assign(new Error('busy'), { retryAfterMs: 10_000 });
    const { times, run } = failing([new Error('1'), new Error('2'), new Error('3'), new Error('4', { cause: slow })]);
    const all = engine({ work: { run, retry: { attempts: 5, firstDelayMs: 1_000, maxDelayMs: 2_000 } } });
    const ann = all.store('ann');
    await ann.synced;
    fix(0.999_999);
    const handle = ann.action.work({ id: 'a' });
    await pass(30_000);
    free();
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits.map((ms) => Math.round(ms / 1_000))).toEqual([1, 2, 2, 10]);
    expect(await handle).toEqual({ said: 'fine' });
  });

  it('[RN12] is not tried again after what another attempt cannot mend', async () => {
    const { pass } = stopTime();
    const final: readonly unknown[] = [
      new CotableError('row.notFound', { table: 't', key: 'k' }),
      new CotableError('run.fenced', {}),
      new CotableError('platform.unknownService', { service: 'x' }),
      Object.assign(new Error('broken for good'), { retryable: false }),
    ];
    const passing: readonly unknown[] = [
      new CotableError('platform.failed', { service: 'x', reason: 'y' }),
      new CotableError('mutation.contested', { name: 'x' }),
      new CotableError('protocol.timeout', { ms: 1 }),
      'a text',
      Object.assign(new CotableError('row.notFound', { table: 't', key: 'k' }), { retryable: true }),
    ];
    const errors = [...final, ...passing];
    const attempts = new Map<string, number>();
    const all = engine({
      limits: { runsPerUser: 64 },
      work: {
        retry: { firstDelayMs: 0 },
        async run(ctx, { id }) {
          const count = (attempts.get(id) ?? 0) + 1;
          attempts.set(id, count);
          if (id === 'rejected') reject('work.refused', { why: 'so' });
          if (id === 'output') return { said: 5 } as never;
          if (id === 'mutator') await ctx.mutate('note', { id: 5 } as never);
          throw errors[Number(id)];
        },
      },
    });
    const ann = all.store('ann');
    const ids = [...errors.keys()].map(String);
    for (const id of [...ids, 'rejected', 'output', 'mutator']) ann.action.work({ id }).result.then(undefined, () => undefined);
    await pass(1_000);
    const once = ['rejected', 'output', 'mutator', ...final.keys()].map(String);
    expect(Object.fromEntries(attempts)).toEqual(
      Object.fromEntries([...ids, 'rejected', 'output', 'mutator'].map((id) => [id, once.includes(id) ? 1 : 3])),
    );
    expect((await all.runs())['rejected']).toMatchObject({ status: 'failed', error: { code: 'work.refused', params: { why: 'so' } } });
  });

  it('[RN13] fails with run.timeout when an attempt takes too long, is aborted, and is tried again', async () => {
    const { pass } = stopTime();
    const reasons: unknown[] = [];
    const late: unknown[] = [];
    const all = engine({
      work: {
        timeoutMs: 60_000,
        retry: { firstDelayMs: 0 },
        run: (ctx) =>
          new Promise((resolve) => {
            if (ctx.attempt === 3) resolve({ said: 'at last' });
            ctx.signal.addEventListener('abort', () => {
              reasons.push(ctx.signal.reason);
              ctx.mutate('note', { id: 'late' }).catch((error: unknown) => late.push(error));
            });
          }),
      },
    });
    const ann = all.store('ann');
    const handle = ann.action.work({ id: 'a' });
    await pass(59_000);
    expect(reasons).toEqual([]);
    // Its lease went on all the time.
    expect(await all.storage.run('room', handle.id)).toMatchObject({ status: 'running', attempt: 1 });
    await pass(3_000);
    expect(reasons).toMatchObject([{ code: 'run.timeout', params: { name: 'work', ms: 60_000 } }]);
    expect(late).toMatchObject([{ code: 'run.fenced' }]);
    await pass(60_000);
    expect(await handle).toEqual({ said: 'at last' });
    expect(ann.table('log').has('late')).toBe(false);
  });

  it('[RN14] has one attempt when it is at most once: after an error, a crash and a shutdown', async () => {
    const { pass } = stopTime();
    let begun = 0;
    const all = engine({
      work: {
        delivery: 'at-most-once',
        run: (_, { id }) => {
          begun += 1;
          return id === 'throws' ? Promise.reject(new Error('no')) : new Promise(() => undefined);
        },
      },
    });
    const ann = all.store('ann');
    for (const id of ['throws', 'crash']) ann.action.work({ id }).result.then(undefined, () => undefined);
    await pass(100);
    all.crash();
    all.start();
    await pass(100);
    const down = all.store('ben');
    down.action.work({ id: 'down' }).result.then(undefined, () => undefined);
    await pass(100);
    await all.relay.close({ graceMs: 0 });
    all.start();
    await pass(60_000);
    expect(begun).toBe(3);
    expect(await all.ends()).toEqual({ throws: 'failed run.failed 1', crash: 'failed run.failed 1', down: 'failed run.failed 1' });
  });
});
