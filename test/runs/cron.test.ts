import { createRelay, type Actions } from 'cotable/relay';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { describe, expect, it } from 'vitest';
import { engine, mutators, schema, stopTime, type S, type Work } from './engine.ts';

describe('runs that the clock asks for', () => {
  it('[RN33] begin at their times, once for each, however many relays there are', async () => {
    const { pass } = stopTime();
    const seen: [id: string, run: string, userId: string][] = [];
    const work: Partial<Work> = {
      cron: [
        { schedule: '*/10 * * * *', timeZone: 'UTC', room: 'room', input: { id: 'often' } },
        { schedule: '30 17 * * *', timeZone: 'Europe/Berlin', room: 'another', input: { id: 'daily' } },
        { schedule: '0 0 31 2 *', room: 'room', input: { id: 'never' } },
      ],
      async run(ctx, { id }) {
        seen.push([id, ctx.runId, ctx.userId]);
        return { said: '' };
      },
    };
    const all = engine({ work });
    all.start('second');
    await pass(25 * 60_000);
    const today = new Date().toISOString().slice(0, 10);
    // It is 15:06 in UTC when time begins.
    expect(seen.toSorted()).toEqual([
      ['daily', `cron:another:work:${today}T15:30:00.000Z:1`, 'system'],
      ['often', `cron:room:work:${today}T15:10:00.000Z`, 'system'],
      ['often', `cron:room:work:${today}T15:20:00.000Z`, 'system'],
      ['often', `cron:room:work:${today}T15:30:00.000Z`, 'system'],
    ]);
    expect(await all.ends()).toMatchObject({ often: 'succeeded  1' });
  });

  it('[RN33] are not made up for when no relay ran at their time', async () => {
    const { pass } = stopTime();
    let count = 0;
    const all = engine({
      work: {
        cron: { schedule: '*/10 * * * *', room: 'room', input: { id: 'x' } },
        run: async () => ({ said: String((count += 1)) }),
      },
    });
    await pass(5 * 60_000);
    expect(count).toBe(1);
    await all.relay.close();
    await pass(35 * 60_000);
    all.start();
    await pass(1_000);
    expect(count).toBe(1);
    await pass(10 * 60_000);
    expect(count).toBe(2);
  });
});

describe('policies', () => {
  const start = (work: unknown): void => {
    const actions = { work, other: async () => ({ said: '' }) } as Actions<S>;
    void createRelay({ backend: { schema, mutators, actions }, storage: memoryRelayStorage() }).close();
  };
  const run = async (): Promise<{ said: string }> => ({ said: '' });
  const bad: Record<string, unknown> = {
    run: { run: 'text' },
    onSettled: { run, onSettled: 5 },
    delivery: { run, delivery: 'twice' },
    'retry.attempts': { run, retry: { attempts: 0 } },
    'retry.firstDelayMs': { run, retry: { firstDelayMs: -1 } },
    'retry.maxDelayMs': { run, retry: { maxDelayMs: NaN } },
    timeoutMs: { run, timeoutMs: 0 },
    'concurrency.key': { run, concurrency: { key: 'lane' } },
    'concurrency.limit': { run, concurrency: { limit: 1.5 } },
    'concurrency.strategy': { run, concurrency: { strategy: 'drop' } },
    'cron.0': { run, cron: { schedule: 'now and then', room: 'room', input: { id: 'x' } } },
    'cron.1': {
      run,
      cron: [
        { schedule: '* * * * *', room: 'room', input: { id: 'x' } },
        { schedule: '* * * * *', timeZone: 'Mars/Base', room: 'room', input: { id: 'x' } },
      ],
    },
    as: { run, as: 'admin' },
    'cron.0.room': { run, cron: { schedule: '* * * * *', input: { id: 'x' } } },
  };

  it.each(Object.keys(bad))('[RN39] a relay does not start with one whose %s cannot be', (path) => {
    expect(() => start(bad[path])).toThrow(
      expect.objectContaining({ code: 'schema.invalid', params: expect.objectContaining({ path: `actions.work.${path}` }) as unknown }),
    );
  });

  it('[RN39] a relay does not start with a schedule whose input does not fit', () => {
    const cron = { schedule: '* * * * *', room: 'room', input: { id: 5 } };
    expect(() => start({ run, cron })).toThrow(expect.objectContaining({ code: 'action.invalidInput' }));
  });
});
