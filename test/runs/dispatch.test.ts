import { memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RelayStorage } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { openRuns } from '../fixtures/open-runs.ts';
import { engine, mutators, schema, stopTime } from './engine.ts';

const queued = (id: string, userId: string, queuedAt = 1) => ({ id, name: 'work', input: JSON.stringify({ id }), userId, queuedAt });

describe('what is begun next', () => {
  it('[RN31] no more are at work than the limits let, of a process and of a user, and users take turns', async () => {
    const { pass } = stopTime();
    const begun: string[] = [];
    const finish: (() => void)[] = [];
    let atWork = 0;
    let most = 0;
    const all = engine({
      limits: { runs: 4, runsPerUser: 3 },
      work: {
        run: (_, { id }) => {
          begun.push(id);
          most = Math.max(most, (atWork += 1));
          return new Promise((resolve) =>
            finish.push(() => {
              atWork -= 1;
              resolve({ said: '' });
            }),
          );
        },
      },
    });
    all.crash();
    await all.storage.openRoom('room', { lineage: 1, epoch: 1, schemaVersion: 1 });
    // One user was first with a hundred.
    for (let n = 0; n < 100; n++) await all.storage.queueRun('room', queued(`a${n}`, 'ann'));
    for (let n = 0; n < 3; n++) for (const user of ['ben', 'cyd']) await all.storage.queueRun('room', queued(`${user[0]}${n}`, user));
    all.start();
    await pass(10);
    expect(begun).toHaveLength(4);
    while (begun.length < 12) {
      finish.shift()?.();
      await pass(2);
    }
    expect(begun.toSorted().filter((id) => !id.startsWith('a'))).toEqual(['b0', 'b1', 'b2', 'c0', 'c1', 'c2']);
    // Of one user what was queued first comes first.
    expect(begun.filter((id) => id.startsWith('a'))).toEqual(begun.filter((id) => id.startsWith('a')).map((_, index) => `a${index}`));
    while (finish.length > 0) {
      finish.shift()?.();
      await pass(1);
      // When only one is left, its own limit holds.
      if (begun.length > 20) expect(atWork).toBeLessThanOrEqual(3);
    }
    expect(begun).toHaveLength(106);
    expect(most).toBe(4);
  });

  it('[RN31] who has queued much does not hold up who has queued little', async () => {
    const { pass } = stopTime();
    const begun: string[] = [];
    const finish: (() => void)[] = [];
    const all = engine({
      limits: { runs: 2, runsPerUser: 64 },
      work: {
        run: (_, { id }) => {
          begun.push(id);
          return new Promise((resolve) => finish.push(() => resolve({ said: '' })));
        },
      },
    });
    all.crash();
    await all.storage.openRoom('room', { lineage: 1, epoch: 1, schemaVersion: 1 });
    for (let n = 0; n < 50; n++) await all.storage.queueRun('room', queued(`a${n}`, 'ann'));
    for (let n = 0; n < 4; n++) await all.storage.queueRun('room', queued(`b${n}`, 'ben'));
    all.start();
    await pass(10);
    while (begun.length < 10) {
      finish.shift()?.();
      await pass(2);
    }
    expect(begun.slice(0, 10).filter((id) => id.startsWith('b'))).toHaveLength(4);
  });

  it(
    '[RN32] what is queued lies on disk until its turn: pages are read, of users and of runs, and all of them are done',
    { timeout: 60_000 },
    async () => {
      const disk = memoryRelayDisk();
      const real = memoryRelayStorage(disk);
      await real.openRoom('room', { lineage: 1, epoch: 1, schemaVersion: 1 });
      // More users than are held at once, and one with more runs.
      for (let n = 0; n < 1_300; n++) await real.queueRun('room', queued(`u${n}`, `user ${n}`));
      for (let n = 0; n < 300; n++) await real.queueRun('room', queued(`a${n}`, 'ann'));
      let held = 0;
      let most = 0;
      const storage: RelayStorage = {
        ...real,
        async dueRuns(...args) {
          const runs = await real.dueRuns(...args);
          most = Math.max(most, runs.length);
          held += runs.length;
          return runs;
        },
        openRoom: real.openRoom,
        listRuns: () => Promise.reject(new Error('nobody needs to see them all')),
      };
      let done = 0;
      const work = async (): Promise<{ said: string }> => ({ said: String((done += 1)) });
      const relay = createRelay({ backend: { schema, mutators, actions: { work, other: work } }, storage });
      await relay.drain();
      expect(done).toBe(1_600);
      expect(await openRuns(real)).toEqual([]);
      expect(most).toBeLessThanOrEqual(72);
      // No run is read much more often than once.
      expect(held).toBeLessThan(2 * 1_600);
      await relay.close();
    },
  );

  it('[RN36 AX7] drain waits for what is at work, due or between attempts, of a room or of all, and for nothing else', async () => {
    const { pass } = stopTime();
    let finish = (): void => undefined;
    const all = engine({
      work: {
        retry: { firstDelayMs: 30_000, maxDelayMs: 30_000 },
        run: (ctx, { id }) => {
          if (id === 'fails' && ctx.attempt === 1) return Promise.reject(Object.assign(new Error('x'), { retryAfterMs: 20_000 }));
          return new Promise((resolve) => (finish = () => resolve({ said: '' })));
        },
      },
    });
    const seen: string[] = [];
    const note = (what: string) => (): void => void seen.push(what);
    await all.relay.drain();
    const [ann, ben] = [all.store('ann'), all.store('ben', 'quiet')];
    await ann.mutate.ask({ id: 'much later', runAfter: 3_600_000 });
    await ben.mutate.note({ id: 'x' });
    await ann.mutate.ask({ id: 'fails' });
    await pass(1_000);
    void all.relay.drain('quiet').then(note('quiet'));
    void all.relay.drain('room').then(note('room'));
    void all.relay.drain().then(note('all'));
    await pass(10_000);
    expect(seen).toEqual(['quiet']);
    await pass(25_000);
    expect(seen).toEqual(['quiet']);
    finish();
    await pass(100);
    expect(seen.toSorted()).toEqual(['all', 'quiet', 'room']);
    expect((await all.runs())['much later']?.status).toBe('queued');
  });
});
