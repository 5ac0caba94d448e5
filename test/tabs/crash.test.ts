import { createTestCluster, type TestCluster } from 'cotable/testing';
import { describe, expect, test, onTestFinished } from 'vitest';
import type { Store } from 'cotable';
import { level, mutatorsWith, schema } from '../spec/support.ts';
import { flaky } from './flaky.ts';
import { inLog, provenLog } from './log-proof.ts';
import { createRelayScene } from './scene.ts';
import { thing, writes } from './watch.ts';

async function open(seed: number): Promise<TestCluster<typeof schema>> {
  const cluster = await createTestCluster({ backend: { schema, mutators: mutatorsWith() }, seed });
  onTestFinished(() => cluster.close());
  return cluster;
}

const SEEDS = [1, 2, 3, 4, 5];

describe('a tab that crashes', () => {
  test.each(SEEDS)('[TB19] leaves to another tab what the other shows, without any reload (seed %i)', async (seed) => {
    const cluster = await open(seed);
    const tab = (): Promise<Store<typeof schema>> => cluster.store({ userId: 'alice', device: 'laptop' });
    const [one, two] = [await tab(), await tab()];
    await cluster.settle();
    cluster.network.setReachable('laptop', false);
    cluster.network.cut('laptop');
    for (let n = 0; n < 3; n++) await one.mutate.count({ id: 'c' });
    await cluster.clock.advance(100);
    expect(two.table('counters').get('c')).toEqual({ n: 3 });
    await two.mutate.count({ id: 'c', by: 10 });
    await cluster.crash(one);
    cluster.network.setReachable('laptop', true);
    await cluster.settle();
    const bob = await cluster.store({ userId: 'bob' });
    await cluster.settle();
    expect(bob.table('counters').get('c')).toEqual({ n: 13 });
    expect([two.table('counters').get('c'), two.rejections]).toEqual([{ n: 13 }, []]);
  });

  test.each(SEEDS)('[TB19] and so does one that had sent it and not heard (seed %i)', async (seed) => {
    const cluster = await open(seed);
    const tab = (): Promise<Store<typeof schema>> => cluster.store({ userId: 'alice', device: 'laptop' });
    const [one, two, three] = [await tab(), await tab(), await tab()];
    await cluster.settle();
    await one.mutate.count({ id: 'c' });
    await cluster.clock.advance(seed * 3);
    cluster.network.hold('laptop');
    await cluster.clock.advance(200);
    await two.mutate.count({ id: 'c', by: 10 });
    await cluster.clock.advance(50);
    await cluster.crash(one);
    await cluster.clock.advance(50);
    cluster.network.release('laptop');
    await cluster.settle();
    expect([two, three].map((store) => store.table('counters').get('c'))).toEqual([{ n: 11 }, { n: 11 }]);
    await cluster.crash(two);
    await three.mutate.count({ id: 'c', by: 100 });
    await cluster.settle();
    const bob = await cluster.store({ userId: 'bob' });
    await cluster.settle();
    expect(bob.table('counters').get('c')).toEqual({ n: 111 });
  });
});

describe('what got to the disk, and nobody was told of', () => {
  test('[TB20] is sent by another tab when its own closes at once', async () => {
    const world = createRelayScene(writes);
    const [one, two] = [world.openOffline('a'), world.open('b')];
    await Promise.all([one.ready, level(two)]);
    const made = await one.mutate.act([['things', 'a', 1]]);
    await one.close();
    await made.stored;
    await thing(two, 'a', 1);
    await level(two);
    expect((await provenLog(world.storage)).mutations).toEqual([inLog(made.id)]);
  });

  test('[TB20] is found by another tab when it gets level again', async () => {
    const world = createRelayScene(writes);
    const disk = flaky(world.disk);
    const [one, two] = [world.openOffline('a', { storage: disk.storage }), world.open('b')];
    await Promise.all([one.ready, level(two)]);
    // Its tab never learns that the write was done: it is as good as gone.
    const release = disk.swallow();
    const made = await one.mutate.act([['things', 'a', 1]]);
    await disk.swallowed;
    expect(two.table('things').has('a')).toBe(false);
    world.hub.cut('b');
    world.comeBack('b');
    await thing(two, 'a', 1);
    release();
    world.comeBack('a');
    await made.confirmed;
    await level(one, two);
    expect((await provenLog(world.storage)).mutations).toEqual([inLog(made.id)]);
  });
});
