import { describe, expect, it } from 'vitest';
import { plantedBugs, simulateWith } from './planted.ts';

describe('the simulator finds a bug when', () => {
  it.each(plantedBugs)(
    '[SM4] $name',
    async (bug) => {
      const { code, output } = await simulateWith(bug, [...(bug.args ?? ['--seed', '1']), '--steps', '100000']);
      expect(output).toMatch(bug.found);
      expect(code).toBe(1);
    },
    120_000,
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
