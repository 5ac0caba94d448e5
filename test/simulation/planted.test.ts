import { describe, expect, it } from 'vitest';
import { dist, timesOf } from '../tools/patched-build.mjs';
import { findBug, plantedBugs, withBug } from './planted.mjs';
import { runSimulator } from './run.ts';

const quick = plantedBugs.filter(({ isQuick }) => isQuick);

/** All of them are looked for by `npm run sim:mutants`. */
describe('the simulator finds a bug when', () => {
  it.each(quick)(
    '[SM4] $name',
    async (bug) => {
      expect(await findBug(bug, 50_000, 2)).toMatchObject({ isFound: true });
    },
    240_000,
  );

  it.each(plantedBugs)('[SM12] its patches fit the build: $name', ({ patches }) => {
    for (const patch of patches) expect(timesOf(dist, patch), patch.from).toBe(1);
  });

  it('[SM5] and says how to see it again', async () => {
    const [bug] = quick;
    if (!bug) throw new Error('there is no bug');
    const [first, again] = await withBug(bug, async (folder) => {
      const found = await runSimulator(folder, ['--seed', '7', '--steps', '10000']);
      const replay = /replay: npm run sim -- (--seed 7 --round \d+)\n$/.exec(found.output)?.[1];
      return [found, await runSimulator(folder, replay?.split(' ') ?? [])];
    });
    expect(first.output).toMatch(/seed=7 round=\d+ step=\d+ of the round/);
    expect(again).toEqual({ code: 1, output: first.output });
  }, 60_000);
});
