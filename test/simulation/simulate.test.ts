import { simulate, type SimulateOptions } from 'cotable/testing';
import { describe, expect, it } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';

const options: SimulateOptions<typeof schema> = {
  backend: { schema, mutators },
  seed: 1,
  steps: 3_000,
  clients: 2,
  act: (store, random) => store.mutate.write({ id: String(Math.floor(random() * 5)), text: String(random()) }),
};

describe('a simulation', () => {
  it('[SM3] is the same for the same seed, and another for another', async () => {
    const first = await simulate(options);
    expect(await simulate(options)).toEqual(first);
    expect((await simulate({ ...options, seed: 2 })).digest).not.toBe(first.digest);
  }, 60_000);

  it("[SM6] asks the app's own invariant of every store, and tells what it threw", async () => {
    let asked = 0;
    await simulate({ ...options, steps: 1, invariant: () => void (asked += 1) });
    // Three or four tabs of two devices, and once more with a newcomer.
    expect([3 + 4, 4 + 5]).toContain(asked);
    const failing = simulate({ ...options, invariant: (store) => expect(store.table('notes').count()).toBe(0) });
    await expect(failing).rejects.toThrow(/seed=1 round=0 step=\d+/);
  }, 60_000);
});
