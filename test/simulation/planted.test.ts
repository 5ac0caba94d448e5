import { describe, expect, it } from 'vitest';
import { plantedBugs, simulateWith } from './planted.ts';

const bugs = plantedBugs.filter(({ isSlow }) => process.env['COTABLE_MUTANTS'] === 'all' || !isSlow);

describe('the simulator finds a bug when', () => {
  it.each(bugs)(
    '[SM4] $name',
    async (bug) => {
      // Which seed shows it soonest changes with the product.
      const outputs: string[] = [];
      for (const seed of ['1', '2', '3', '4']) {
        const { code, output } = await simulateWith(bug, ['--seed', seed, ...(bug.args ?? []), '--steps', '100000']);
        outputs.push(output);
        if (code === 1 && bug.found.test(output)) return;
      }
      expect(outputs.join('')).toMatch(bug.found);
    },
    240_000,
  );

  it('[SM5] and says how to see it again', async () => {
    const [bug] = plantedBugs;
    if (!bug) throw new Error('there is no bug');
    const { output } = await simulateWith(bug, ['--seed', '7', '--steps', '10000']);
    const replay = /replay: npm run sim -- (--seed 7 --round \d+)\n$/.exec(output)?.[1];
    expect(output).toMatch(/seed=7 round=\d+ step=\d+ of the round/);
    expect(await simulateWith(bug, replay?.split(' ') ?? [])).toEqual({ code: 1, output });
  }, 60_000);
});
