import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runSimulator } from './run.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Each of its eight seeds fails by itself when a kind of fault never happened in it. */
describe('the simulator', () => {
  it('[SM1 SM2 SM11 SM13 SM14 SM20 SM21 SM22] finds nothing in 1,000,000 steps, in which every kind of thing happens', async () => {
    const { code, output } = await runSimulator(root, ['--steps', '1000000']);
    expect(code, output).toBe(0);
    const receipt = output.split('\n').find((line) => line.startsWith('steps=')) ?? '';
    expect(receipt).toMatch(
      /^steps=\d+ seeds=8 crashes=\d+ drops=\d+ repeats=\d+ acks=\d+ .* lost=0 diverged=0 stuck=0 digest=[0-9a-f]{16}$/,
    );
    expect(Number(/^steps=(\d+)/.exec(receipt)?.[1])).toBeGreaterThanOrEqual(1_000_000);
    expect(receipt).not.toMatch(/=0 (?!diverged|stuck|digest)/);
    process.stdout.write(`${receipt}\n`);
  }, 1_200_000);
});
