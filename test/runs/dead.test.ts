import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Run } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { engine, mutators, schema, stopTime } from './engine.ts';

describe('the runs of a relay', () => {
  it('[RN34] are listed as asked; dead ones can be taken up again, and what ended long ago is forgotten', async () => {
    const { pass } = stopTime();
    let isWell = false;
    const attempts: number[] = [];
    const all = engine({
      work: {
        retry: { attempts: 2, firstDelayMs: 0 },
        async run(ctx, { id }) {
          if (id === 'dead') attempts.push(ctx.attempt);
          if (id === 'dead' && !isWell) throw new Error('not yet');
          return { said: await ctx.step('s', () => `in attempt ${ctx.attempt}`) };
        },
      },
    });
    const [ann, ben] = [all.store('ann'), all.store('ben', 'another')];
    for (const id of ['dead', 'well']) await ann.mutate.ask({ id });
    await ben.mutate.ask({ id: 'of ben' });
    await ben.mutate.ask({ id: 'later', runAfter: 60_000 });
    await pass(500);
    const ids = async (filter: Parameters<typeof all.relay.runs.list>[0]): Promise<unknown[]> => {
      const found: unknown[] = [];
      for await (const { input } of all.relay.runs.list(filter)) found.push((input as { id: string }).id);
      return found.toSorted();
    };
    expect(await ids({})).toEqual(['dead', 'later', 'of ben', 'well']);
    expect(await ids({ room: 'another' })).toEqual(['later', 'of ben']);
    expect(await ids({ userId: 'ann', name: 'work' })).toEqual(['dead', 'well']);
    expect(await ids({ status: 'failed' })).toEqual(['dead']);
    expect(await ids({ status: ['succeeded', 'queued'], room: 'another' })).toEqual(['later', 'of ben']);
    const dead = (await all.runs())['dead'] as Run;
    expect(dead).toMatchObject({
      status: 'failed',
      attempt: 2,
      output: undefined,
      error: { code: 'run.failed', params: { reason: 'not yet' } },
    });
    expect((await all.runs())['well']).toMatchObject({
      status: 'succeeded',
      attempt: 1,
      output: { said: 'in attempt 1' },
      error: undefined,
    });

    await expect(all.relay.runs.redrive({ room: 'room', id: (await all.runs())['well']?.id ?? '' })).rejects.toMatchObject({
      code: 'run.terminal',
    });
    await expect(all.relay.runs.redrive({ room: 'room', id: 'none' })).rejects.toMatchObject({ code: 'run.notFound' });
    await all.relay.runs.redrive(dead);
    await pass(500);
    isWell = true;
    await all.relay.runs.redrive(dead);
    await pass(500);
    expect(attempts).toEqual([1, 2, 3, 4, 5]);
    expect((await all.runs())['dead']).toMatchObject({ status: 'succeeded', attempt: 5, output: { said: 'in attempt 5' } });
    // Each end was one.
    expect(await all.ends()).toMatchObject({ dead: 'succeeded  3' });

    await pass(100_000);
    expect(await all.relay.runs.purge({ olderThanMs: 90_000 })).toBe(3);
    expect(await ids({})).toEqual(['later']);
  });

  it('[RN35] one whose function is missing stays queued and says so, and begins once a relay has it; it can be canceled', async () => {
    const { pass } = stopTime();
    const all = engine({});
    const ann = all.store('ann');
    await ann.synced;
    await ann.close();
    all.crash();
    for (const id of ['a', 'b', 'c']) {
      await all.storage.queueRun('room', { id, name: 'work', input: JSON.stringify({ id }), userId: 'ann', queuedAt: 1 });
    }
    const errors: string[] = [];
    const actions = { other: async () => ({ said: '' }) };
    const older = createRelay({
      backend: { schema, mutators, actions: actions as never },
      storage: memoryRelayStorage(all.disk),
      logger: { info: () => undefined, warn: () => undefined, error: (_, message) => errors.push(message) },
    });
    await older.drain();
    const listed: unknown[] = [];
    for await (const { id, status, error } of older.runs.list()) listed.push([id, status, error?.code]);
    expect(listed).toEqual(['a', 'b', 'c'].map((id) => [id, 'queued', 'action.missingHandler']));
    expect(errors).toHaveLength(3);
    await older.runs.cancel({ room: 'room', id: 'b' });
    await pass(100);
    expect(await all.storage.run('room', 'b')).toMatchObject({ status: 'canceled' });
    await older.close();
    all.start();
    await pass(100);
    expect(await all.ends()).toEqual({ a: 'succeeded  1', c: 'succeeded  1' });
  });
});
