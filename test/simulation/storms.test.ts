import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runSimulator } from './run.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A run of 100,000 steps fails by itself when a kind of fault never happened in it. */
describe('the simulator', () => {
  it.concurrent.each([1, 2, 3])(
    '[SM1 SM2 SM11] finds nothing in 100,000 steps of seed %i, in which every kind of fault happens',
    async (seed) => {
      const { code, output } = await runSimulator(root, ['--seed', String(seed), '--steps', '100000']);
      expect(output).toMatch(/ lost=0 diverged=0 stuck=0 digest=[0-9a-f]{16}\n$/);
      expect(code, output).toBe(0);
      expect(Number(/ steps=(\d+)/.exec(output)?.[1])).toBeGreaterThanOrEqual(100_000);
      expect(output).not.toMatch(/=0 (?!diverged|stuck|digest)/);
      process.stdout.write(output);
    },
    240_000,
  );
});
