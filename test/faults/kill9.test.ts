import { expect, it } from 'vitest';
import { kill9 } from './kill9.mjs';

// `npm run kill9` does twelve times as much.
const CYCLES = 25;

it('[KL1 KL2 KL3 KL4] a relay that is killed again and again while stores write to it has kept what it told, once', async () => {
  const report = await kill9({ cycles: CYCLES, seed: 1 });
  expect(report).toMatchObject({ cycles: CYCLES, restarts: CYCLES, lost: 0, doubled: 0, diverged: 0 });
}, 120_000);

it('[KL5] cycles in which something never happened fail the run', async () => {
  await expect(kill9({ cycles: 0, seed: 1 })).rejects.toThrow('never injected');
}, 120_000);
