import { reportLine, simulate, type SimulateOptions } from 'cotable/testing';
import { describe, expect, it } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';

const options: SimulateOptions<typeof schema> = {
  backend: { schema, mutators },
  seed: 1,
  steps: 2_000,
  clients: 2,
  act: (store, random) => store.mutate.write({ id: String(Math.floor(random() * 5)), text: String(random()) }),
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
