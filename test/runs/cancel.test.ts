import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { engine, stopTime, turns } from './engine.ts';

const never = (): Promise<never> => new Promise(() => undefined);
const quietly = (result: PromiseLike<unknown>): void => void result.then(undefined, () => undefined);

describe('canceling', () => {
  it('[RN22] ends a run that is at work at once: it hears of it, writes nothing more, and onSettled has the last word', async () => {
    const { pass } = stopTime();
    const reasons: unknown[] = [];
    const late: unknown[] = [];
    const all = engine({
      work: {
        async run(ctx) {
          ctx.broadcastStream('so far');
          await ctx.mutate('note', { id: 'before' });
          await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
          reasons.push(ctx.signal.reason);
          await ctx.mutate('note', { id: 'after' }).catch((error: unknown) => late.push(error));
          return { said: 'all the same' };
        },
      },
    });
    const ann = all.store('ann');
    const handle = ann.action.work({ id: 'a' });
    quietly(handle.result);
    await pass(100);
    await all.relay.runs.cancel({ room: 'room', id: handle.id });
    await pass(100);
    await expect(handle.result).rejects.toMatchObject({ code: 'run.canceled' });
    expect(handle.status).toBe('canceled');
    expect(reasons).toMatchObject([{ code: 'run.canceled' }]);
    expect(late).toMatchObject([{ code: 'run.fenced' }]);
    expect(
      ann
        .table('log')
        .entries()
        .map(([key]) => key),
    ).toEqual(['before']);
    expect(ann.table('ends').get(handle.id)).toEqual({ status: 'canceled', code: 'run.canceled', count: 1, text: 'so far', input: 'a' });
    await expect(all.relay.runs.cancel({ room: 'room', id: handle.id })).rejects.toMatchObject({
      code: 'run.terminal',
      params: { status: 'canceled' },
    });
    await expect(all.relay.runs.cancel({ room: 'room', id: 'none' })).rejects.toMatchObject({ code: 'run.notFound' });
  });

  it('[RN22] ends a run that is queued, between attempts, for later, or whose turn has not come', async () => {
    const { pass } = stopTime();
    const begun: string[] = [];
    const all = engine({
      limits: { runsPerUser: 2 },
      work: {
        retry: { firstDelayMs: 60_000 },
        run: (_, { id }) => {
          begun.push(id);
          return id === 'fails' ? Promise.reject(new Error('x')) : never();
        },
      },
    });
    const ann = all.store('ann');
    await ann.mutate.ask({ id: 'later', runAfter: 3_600_000 });
    for (const id of ['fails', 'works', 'works too', 'queued']) await ann.mutate.ask({ id });
    await pass(500);
    const runs = await all.runs();
    expect(Object.values(runs).map(({ status }) => status)).toEqual(['queued', 'waiting', 'running', 'running', 'queued']);
    for (const { room, id } of Object.values(runs)) await all.relay.runs.cancel({ room, id });
    await pass(500);
    expect(await all.ends()).toEqual(Object.fromEntries(Object.keys(runs).map((id) => [id, 'canceled run.canceled 1'])));
    expect(begun.toSorted()).toEqual(['fails', 'works', 'works too']);
  });

  it('[RN23] a mutation cancels runs of its own user as it is kept, in the order of what it asks, and nothing on the client', async () => {
    const { pass } = stopTime();
    const all = engine({ work: { run: never } });
    const [ann, ben] = [all.store('ann'), all.store('ben')];
    const [own, others] = [ann.action.work({ id: 'own' }), ben.action.work({ id: 'others' })];
    quietly(own.result);
    quietly(others.result);
    await pass(100);
    all.hub.setAvailable('ann', false);
    all.hub.cut('ann');
    await ann.mutate.stop({ run: own.id });
    await ann.mutate.stop({ run: others.id });
    await ann.mutate.stop({ run: 'none' });
    await pass(100);
    expect((await all.runs())['own']?.status).toBe('running');
    all.hub.setAvailable('ann', true);
    await pass(2_000);
    await ann.mutate.askAndStop({ id: 'stopped', key: 'k1', stopFirst: false });
    await ann.mutate.askAndStop({ id: 'asked', key: 'k2', stopFirst: true });
    await pass(500);
    const status = Object.fromEntries(Object.entries(await all.runs()).map(([id, run]) => [id, run.status]));
    expect(status).toEqual({ own: 'canceled', others: 'running', stopped: 'canceled', asked: 'running' });
    expect(await all.ends()).toEqual({ own: 'canceled run.canceled 1', stopped: 'canceled run.canceled 1' });
  });

  it('[RN23] a cancel that was kept holds through a crash right after', async () => {
    const { pass } = stopTime();
    let attempts = 0;
    const all = engine({
      work: {
        run: () => {
          attempts += 1;
          return never();
        },
      },
    });
    const ann = all.store('ann');
    const handle = ann.action.work({ id: 'a' });
    quietly(handle.result);
    await pass(100);
    // Nothing is heard of what the storage does from here on, but it does it.
    const calls = all.calls.length;
    await ann.mutate.stop({ run: handle.id });
    while (!all.calls.slice(calls).includes('accept')) await new Promise((resolve) => setImmediate(resolve));
    all.crash();
    await turns();
    expect(await all.storage.run('room', handle.id)).toMatchObject({ isCanceled: true, ending: undefined });
    all.start();
    await pass(3_000);
    expect(attempts).toBe(1);
    expect(await all.ends()).toEqual({ a: 'canceled run.canceled 1' });
  });

  it('[RN25] does not happen because somebody goes: a run ends whoever is there', async () => {
    const { pass } = stopTime();
    let finish = (): void => undefined;
    const all = engine({ work: { run: () => new Promise((resolve) => (finish = () => resolve({ said: 'done' }))) } });
    const ann = all.store('ann');
    const handle = ann.action.work({ id: 'a' });
    quietly(handle.result);
    await pass(100);
    await ann.close();
    await pass(60_000);
    finish();
    await pass(100);
    expect(await all.ends()).toEqual({ a: 'succeeded  1' });
  });

  it('[RN24] however it races with the beginning, the end and the retries of a run, there is one end, and onSettled is called once', async () => {
    const endings = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          before: fc.nat(12),
          within: fc.nat(12),
          fails: fc.nat(2),
          ways: fc.array(fc.constantFrom('relay', 'mutation'), { minLength: 1, maxLength: 3 }),
        }),
        async ({ before, within, fails, ways }) => {
          const attempts: number[] = [];
          const errors: unknown[] = [];
          const all = engine({
            errors,
            work: {
              retry: { firstDelayMs: 0 },
              async run(ctx) {
                attempts.push(ctx.attempt);
                await turns(within);
                await ctx.mutate('note', { id: 'n' });
                if (attempts.length <= fails) throw new Error('again');
                return { said: 'done' };
              },
            },
          });
          const ann = all.store('ann');
          await ann.synced;
          const handle = ann.action.work({ id: 'a' });
          quietly(handle.result);
          await handle.accepted;
          await turns(before);
          for (const way of ways) {
            if (way === 'mutation') void ann.mutate.stop({ run: handle.id });
            else
              await all.relay.runs.cancel({ room: 'room', id: handle.id }).catch((error: { code: string }) => {
                if (error.code !== 'run.terminal') throw error;
              });
          }
          await expect.poll(async () => (await all.storage.run('room', handle.id))?.ending).toBeDefined();
          await all.relay.drain();
          await expect.poll(() => ann.table('ends').get(handle.id)?.count).toBe(1);
          await turns(20);
          const { status, ending } = (await all.storage.run('room', handle.id)) ?? {};
          endings.add(status ?? '');
          expect(ann.table('ends').get(handle.id)).toMatchObject({ status, count: 1 });
          expect(ending?.status).toBe(handle.status);
          // No room is thrown out of memory because of it.
          expect(errors).toEqual([]);
          expect(ann.status.state).toBe('online');
          await ann.close();
          await all.relay.close({ graceMs: 0 });
        },
      ),
      { numRuns: Number(process.env['COTABLE_RUNS'] ?? 60) },
    );
    expect([...endings].toSorted()).toEqual(['canceled', 'succeeded']);
  }, 60_000);
});
