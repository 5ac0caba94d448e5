import { describe, expect, it } from 'vitest';
import { engine, stopTime } from './engine.ts';
import { wire } from './wire.ts';

const DAY = 24 * 60 * 60_000;

describe('asking for a run', () => {
  it('[RN26] for later begins it then, through a restart too', async () => {
    const { pass } = stopTime();
    const times: Record<string, number> = {};
    const all = engine({
      work: {
        run: async (ctx, { id }) => {
          times[id] = Date.now() - start;
          if (id === 'now') await ctx.enqueueAction('other', { id: 'after now' }, { runAfter: 90_000 });
          return { said: '' };
        },
      },
      other: {
        run: async (_, { id }) => {
          times[id] = Date.now() - start;
          return { said: '' };
        },
      },
    });
    const start = Date.now();
    const ann = all.store('ann');
    await ann.mutate.ask({ id: 'after', runAfter: 60_000 });
    await ann.mutate.ask({ id: 'at', runAt: start + 120_000 });
    await ann.mutate.ask({ id: 'past', runAt: start - 5 });
    await ann.mutate.ask({ id: 'now' });
    await pass(59_000);
    expect(Object.keys(times).toSorted()).toEqual(['now', 'past']);
    await pass(2_000);
    expect(times['after']).toBeGreaterThanOrEqual(60_000);
    all.crash();
    all.start();
    await pass(58_500);
    expect(times['at']).toBeUndefined();
    await pass(2_000);
    expect(times['at']).toBeGreaterThanOrEqual(120_000);
    expect(times['after now']).toBeGreaterThanOrEqual(90_000);
    for (const bad of [{ runAfter: -1 }, { runAt: 8.64e15 + 1 }, { runAfter: 1, runAt: 1 }, { key: 'x'.repeat(257) }]) {
      await expect(ann.mutate.ask({ id: 'bad', ...bad }), JSON.stringify(bad)).rejects.toMatchObject({ code: 'action.invalidInput' });
    }
    expect(ann.table('log').has('bad')).toBe(false);
  });

  it('[RN27] with a key names one run for a day, from stores, mutators and actions, and its id is known at once', async () => {
    const { pass } = stopTime();
    const begun: string[] = [];
    const inAction: unknown[] = [];
    const errors: unknown[] = [];
    const all = engine({
      errors,
      work: {
        run: async (_, { id }) => {
          begun.push(id);
          return { said: '' };
        },
      },
      other: {
        async run(ctx) {
          inAction.push(await ctx.enqueueAction('work', { id: 'a' }, { idempotencyKey: 'k' }));
          await ctx.enqueueAction('work', { id: 'c' }, { idempotencyKey: 'k' }).catch((error: unknown) => inAction.push(error));
          return { said: '' };
        },
      },
    });
    const [ann, ben] = [all.store('ann'), all.store('ben')];
    for (const store of [ann, ben]) await store.mutate.ask({ id: 'a', key: 'k' });
    const known = ann.table('log').get('a')?.what;
    await ann.mutate.ask({ id: 'a', key: 'k' });
    await pass(500);
    // A mutation with another input asks for no second run.
    await ann.mutate.ask({ id: 'b', key: 'k' });
    ann.action.other({ id: 'x' }).result.then(undefined, () => undefined);
    await pass(500);
    expect(begun).toEqual(['a', 'a']);
    const ids = Object.values(await all.runs()).map(({ id }) => id);
    expect(ids).toContain('key:ben:work:k');
    expect(known).toBe('key:ann:work:k');
    expect(inAction).toMatchObject([
      'key:ann:work:k',
      { code: 'action.idempotencyMismatch', httpStatus: 422, params: { name: 'work', key: 'k' } },
    ]);
    await pass(DAY);
    await ann.mutate.ask({ id: 'b', key: 'k' });
    await pass(120_000);
    expect(begun).toEqual(['a', 'a', 'b']);
    expect(await all.storage.run('room', 'key:ann:work:k')).toMatchObject({ attempt: 2, status: 'succeeded' });
    expect(errors).toEqual([]);
  }, 20_000);

  it('[RN27] over the wire goes by the key whatever the frame says, and another input is refused', async () => {
    const { pass } = stopTime();
    const all = engine({ work: { run: async () => ({ said: 'once' }) } });
    const eve = wire(all.hub, 'eve');
    await pass(10);
    eve.call({ run: 'key:ann:work:k', name: 'work', input: '{"id":"a","lane":""}', key: 'k' });
    await pass(10);
    eve.call({ run: 'key:eve:work:k', name: 'work', input: '{"lane":"","id":"a"}', key: 'k' });
    eve.call({ run: 'key:eve:work:k', name: 'work', input: '{"id":"b"}', key: 'k' });
    eve.call({ run: 'key:eve:work:k', name: 'work', input: '{"id":"b"}', key: 'x'.repeat(300) });
    await pass(100);
    expect((await all.storage.listRuns({}, undefined, 9)).runs.map(({ id }) => id)).toEqual(['key:eve:work:k']);
    const ends = eve.runs().filter(({ ending }) => ending);
    expect(ends.map(({ ending, attempt }) => [ending?.status, ending && 'error' in ending ? ending.error.code : '', attempt])).toEqual(
      expect.arrayContaining([
        ['succeeded', '', 1],
        ['failed', 'action.idempotencyMismatch', 0],
        ['failed', 'action.invalidInput', 0],
      ]),
    );
    expect(eve.failed()).toBeUndefined();
    // Nobody takes a name that is not his to give: of keys, of what mutations and runs ask for.
    for (const run of ['key:ann:work:k', 'cron:room:work:x', '7-1:1', '7-1/1:1', '']) {
      const mallory = wire(all.hub, 'mallory');
      await pass(10);
      mallory.call({ run, name: 'work', input: '{"id":"a"}' });
      await pass(10);
      expect(mallory.failed(), run).toBe('protocol.gateRefused');
    }
  });

  it('[RN28] too late ends it as expired, if it had not begun, and onSettled is called', async () => {
    const { pass } = stopTime();
    const begun: string[] = [];
    const all = engine({
      limits: { runsPerUser: 1 },
      work: {
        run: (ctx, { id }) => {
          begun.push(id);
          return id === 'first' && ctx.attempt === 1 ? new Promise(() => undefined) : Promise.resolve({ said: '' });
        },
      },
    });
    const ann = wire(all.hub, 'ann');
    await pass(10);
    const now = Date.now();
    ann.call({ run: '7-1:0', name: 'work', input: '{"id":"first"}', expiresAt: now + 1_000 });
    ann.call({ run: '7-2:0', name: 'work', input: '{"id":"in time"}', expiresAt: now + 60_000 });
    ann.call({ run: '7-3:0', name: 'work', input: '{"id":"late"}', expiresAt: now + 1_000 });
    ann.call({ run: '7-4:0', name: 'work', input: '{"id":"gone before"}', expiresAt: now - 1 });
    await pass(2_000);
    all.crash();
    all.start();
    await pass(500);
    expect(begun).toEqual(['first', 'first', 'in time']);
    expect(await all.ends()).toEqual({
      first: 'succeeded  1',
      'in time': 'succeeded  1',
      late: 'expired run.expired 1',
      'gone before': 'expired run.expired 1',
    });
  });
});
