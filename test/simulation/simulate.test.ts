import { defineSchema } from 'cotable';
import { defineBackendConfig, definePlatform } from 'cotable/relay';
import { reportLine, simulate, type SimulateOptions } from 'cotable/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { mutators, schema } from '../fixtures/notes.mjs';

const options: SimulateOptions<typeof schema> = {
  backend: { schema, mutators },
  seed: 1,
  steps: 2_000,
  clients: 2,
  act: (store, random) => store.mutate.write({ id: String(Math.floor(random() * 5)), text: String(random()) }),
};

const acting = defineSchema({
  ...schema,
  actions: { copy: { input: z.object({ id: z.string() }), output: z.object({}) } },
});
const platform = definePlatform({ wait: async (_: number): Promise<void> => undefined });
const actingBackend = defineBackendConfig<typeof acting, typeof platform>({
  schema: acting,
  mutators,
  platform,
  actions: {
    async copy(ctx, { id }) {
      const note = await ctx.table('notes').get(id);
      await ctx.platform.call('wait', 2_000);
      if (!note || ctx.attempt === 1) throw new Error('not now');
      await ctx.mutate('write', { id: `${id} again`, text: note.text });
      return {};
    },
  },
});
const withActions: SimulateOptions<typeof acting, typeof platform> = {
  backend: actingBackend,
  platform: ({ sleep }) => ({ wait: sleep }),
  seed: 1,
  steps: 4_000,
  clients: 2,
  act(store, random) {
    const id = String(Math.floor(random() * 5));
    return random() < 0.2 ? store.action.copy({ id }) : store.mutate.write({ id, text: String(random()) });
  },
};

describe('a simulation', () => {
  it('[SM3] is the same for the same seed, and another for another', async () => {
    const first = await simulate(options);
    expect(await simulate(options)).toEqual(first);
    expect((await simulate({ ...options, seed: 2 })).digest).not.toBe(first.digest);
  }, 240_000);

  it("[SM6] asks the app's own invariant of every store, and tells what it threw", async () => {
    let asked = 0;
    await simulate({ ...options, steps: 1, invariant: () => void (asked += 1) });
    // Three or four tabs of two devices, and once more with a newcomer.
    expect([3 + 4, 4 + 5]).toContain(asked);
    const failing = simulate({ ...options, invariant: (store) => expect(store.table('notes').count()).toBe(0) });
    await expect(failing).rejects.toThrow(/seed=1 round=0 step=\d+/);
  }, 240_000);

  it('[SM17] lets only those faults happen that were chosen', async () => {
    const calm = await simulate({ ...options, faults: [] });
    const { cuts, gaps, partitions, tabCrashes, relayCrashes, powerCuts, evictions, diskFailures, clockSteps, freezes } = calm;
    expect([cuts, gaps, partitions, tabCrashes, relayCrashes, powerCuts, evictions, diskFailures, clockSteps, freezes]).toEqual(
      Array(10).fill(0),
    );
    const skewed = await simulate({ ...options, faults: ['skew'] });
    expect(skewed.clockSteps).toBeGreaterThan(0);
    expect(skewed).toMatchObject({ cuts: 0, tabCrashes: 0, freezes: 0 });
  }, 240_000);

  it("[SM23] runs an app's actions, in time that the seed decides", async () => {
    const first = await simulate(withActions);
    for (const kind of ['calls', 'runs', 'attempts', 'takeovers', 'retries'] as const) expect(first[kind], kind).toBeGreaterThan(0);
    expect(first.runs).toBeLessThanOrEqual(first.calls);
    expect(await simulate(withActions)).toEqual(first);
  }, 240_000);

  it('[SM24] fails at the step at which a watcher sees what cannot be', async () => {
    const seen: string[] = [];
    const failing = simulate({
      ...options,
      watch(store, { userId, violated }) {
        store.table('notes').changes$.subscribe(() => {
          seen.push(userId);
          violated('there is a note');
        });
      },
    });
    await expect(failing).rejects.toThrow(/^device\d \d+: there is a note\nseed=1 round=0 step=\d+ of the round/);
    expect(seen[0]).toMatch(/^user of device\d$/);
  }, 240_000);

  it('[SM18] tells of several seeds in one line', async () => {
    const [one, two] = [await simulate({ ...options, steps: 1 }), await simulate({ ...options, steps: 1, seed: 2 })];
    expect(reportLine(one)).toMatch(new RegExp(`^steps=${one.steps} seeds=1 crashes=.* digest=${one.digest}$`));
    const line = reportLine(one, two);
    expect(line).toMatch(/^steps=\d+ seeds=2 crashes=\d+ drops=\d+ repeats=\d+ acks=\d+ .* lost=0 diverged=0 stuck=0 digest=[0-9a-f]{16}$/);
    expect(line).toContain(`steps=${one.steps + two.steps} `);
    expect(line).toContain(` frames=${one.frames + two.frames} `);
    expect(reportLine(two, one)).not.toBe(line);
  }, 240_000);
});
