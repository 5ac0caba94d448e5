import { describe, expect, it, vi } from 'vitest';
import { Item } from 'yjs';
import { fuzzGate } from './gate.mjs';
import { fuzzRelay } from './relay.mjs';

// `npm run fuzz` does ten times as much.
const GATE_FRAMES = 500_000;
const RELAY_FRAMES = 20_000;

describe('spoilt frames', () => {
  it('[FZ1] get through the gate only with the effect that an independent decoder and Yjs see', async () => {
    const stack = Error.stackTraceLimit;
    // Nearly every frame is refused by an error, whose stack nobody reads.
    Error.stackTraceLimit = 0;
    try {
      const report = await fuzzGate({ frames: GATE_FRAMES, seed: 1 });
      expect(report).toMatchObject({ frames: GATE_FRAMES, wrong: 0, crashes: 0 });
      expect(report['accepted']).toBeGreaterThan(GATE_FRAMES * 0.05);
    } finally {
      Error.stackTraceLimit = stack;
    }
  }, 600_000);

  it('[FZ2] sent to a live relay are noticed by nobody else', async () => {
    const report = await fuzzRelay({ frames: RELAY_FRAMES, seed: 1 });
    expect(report).toMatchObject({ lost: 0, crashes: 0 });
    expect(report['frames']).toBeGreaterThanOrEqual(RELAY_FRAMES);
    expect(report['accepted']).toBeGreaterThan(0);
  }, 600_000);

  it('[FZ3] that never did something they are to do fail the run', async () => {
    await expect(fuzzGate({ frames: 3, seed: 1 })).rejects.toThrow('never injected');
    await expect(fuzzRelay({ frames: 3, seed: 1 })).rejects.toThrow('never injected');
  });

  it('[FZ3] that find a mistake fail the run and name the frame', async () => {
    // A Yjs that puts some items elsewhere: those at keys that only spoilt frames have.
    const integrate = Reflect.get(Item.prototype, 'integrate') as (this: Item, transaction: unknown, offset: number) => void;
    const planted = vi.spyOn(Item.prototype, 'integrate').mockImplementation(function (this: Item, transaction: unknown, offset: number) {
      if (this.parentSub !== null && !/^(row|afterwards)/.test(this.parentSub)) this.parentSub = 'row0';
      integrate.call(this, transaction, offset);
    });
    await expect(fuzzGate({ frames: 50_000, seed: 1 })).rejects.toThrow(/frame=\d+ .*update=/);
    planted.mockRestore();
  });
});
