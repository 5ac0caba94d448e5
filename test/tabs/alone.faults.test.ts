import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test, vi } from 'vitest';
import { kept, rowsOf, turns, type TestStore } from '../spec/support.ts';
import { flaky } from './flaky.ts';
import { createAloneScene, type Scene } from './scene.ts';
import { createTabNet } from './tab-net.ts';
import { equalRows, thing, writes } from './watch.ts';

async function expectOnDisk(scene: Scene, rows: unknown): Promise<void> {
  const again = scene.open('again');
  await again.ready;
  expect(rowsOf(again)).toEqual(rows);
  await kept(again.mutate.count({ id: 'after' }));
  await again.close();
}

async function make(store: TestStore, from: number, to: number): Promise<void> {
  const receipts = await Promise.all(Array.from({ length: to - from }, (_, n) => store.mutate.act([['things', `n${from + n}`, from + n]])));
  await Promise.all(
    receipts.map(({ confirmed, stored }) => Promise.all([stored.catch(() => undefined), confirmed.catch(() => undefined)])),
  );
}

describe('a device on its own whose disk fails in between', () => {
  test.each([
    [1, 0],
    [1, 1],
    [2, 0],
    [3, 1],
  ])('[OA14] of which %i writes after %i fail: everything is on disk once it recovers', async (count, after) => {
    const scene = createAloneScene(writes);
    const disk = flaky(scene.disk);
    const store = scene.open('a', { storage: disk.storage });
    await make(store, 0, 3);
    disk.failNext(count, after);
    await make(store, 3, 9);
    await make(store, 9, 10);
    await make(store, 10, 12);
    const rows = rowsOf(store);
    expect(store.table('things').count()).toBe(12);
    await store.close();
    await expectOnDisk(scene, rows);
  });

  test('[OA14] a tab that closes right after a failure leaves a disk that can be read', async () => {
    const scene = createAloneScene(writes);
    const disk = flaky(scene.disk);
    const store = scene.open('a', { storage: disk.storage });
    await make(store, 0, 3);
    disk.failNext(1);
    await store.mutate.act([['things', 'lost', 1]]);
    await store.mutate.act([['things', 'n0', 'built on the same writer']]);
    await store.close();
    const again = scene.open('b');
    await again.ready;
    expect(again.table('things').count()).toBeGreaterThanOrEqual(3);
    await kept(again.mutate.act([['things', 'more', 1]]));
    await again.close();
    const third = scene.open('c');
    await third.ready;
    expect(third.table('things').has('more')).toBe(true);
  });

  test('[OA14] a failure of what was heard from another device leaves nothing out either', async () => {
    const scene = createAloneScene(writes);
    const net = createTabNet();
    const [mine, theirs] = [flaky(scene.disk), memoryClientStorage({ durable: true })];
    const one = scene.open('a', { storage: mine.storage, tabs: net.transport(), userId: 'ann' });
    const two = scene.open('b', { storage: theirs, tabs: net.transport(), userId: 'ann' });
    await Promise.all([one.ready, two.ready]);
    await net.deliverAll();
    mine.failNext(1);
    await make(two, 0, 1);
    await net.deliverAll();
    await make(one, 0, 4);
    await net.deliverAll();
    const rows = await equalRows(one, two);
    await Promise.all([one.close(), two.close()]);
    const again = scene.open('c', { userId: 'ann' });
    await again.ready;
    expect(rowsOf(again)).toEqual(rows);
  });

  test('[OA15] what one tab could not write another tab keeps', async () => {
    const scene = createAloneScene(writes);
    const disk = flaky(scene.disk);
    const [one, two] = [scene.open('a', { storage: disk.storage }), scene.open('b')];
    await Promise.all([one.ready, two.ready]);
    await make(one, 0, 1);
    await thing(two, 'n0', 0);
    disk.failNext(1_000);
    const receipt = await one.mutate.act([['things', 'a', 1]]);
    await expect(receipt.stored).rejects.toMatchObject({ code: 'storage.quota' });
    await expect(receipt.confirmed).rejects.toMatchObject({ code: 'storage.quota' });
    expect(one.status).toMatchObject({ state: 'alone', durable: false, reason: { code: 'storage.quota' } });
    await thing(two, 'a', 1);
    await kept(two.mutate.act([['things', 'b', 2]]));
    const rows = await equalRows(one, two);
    await Promise.all([one.close(), two.close()]);
    await expectOnDisk(scene, rows);
  });

  test('[OA16] a message that came before what it stands on takes effect with it, and is kept', async () => {
    const scene = createAloneScene(writes);
    const net = createTabNet();
    const other = memoryClientStorage({ durable: true });
    const parts = { tabs: net.transport(), userId: 'ann' };
    const [one, two, far] = [scene.open('a', parts), scene.open('b', parts), scene.open('c', { ...parts, storage: other })];
    await Promise.all([one.ready, two.ready, far.ready]);
    await net.deliverAll();
    net.hold(true);
    await kept(one.mutate.act([['things', 'x', 1]]));
    // The ways are made in the order of the first message on each: one to two, one to far, ...
    await vi.waitFor(() => {
      while (!two.table('things').has('x')) expect(net.deliverOne(0)).toBe(true);
    });
    await kept(two.mutate.act([['things', 'x', 2]]));
    for (let pick = 7; net.deliverOne(pick); pick += 3);
    await turns(3);
    await net.deliverAll();
    expect(await equalRows(one, two, far)).toMatchObject({ things: [['x', { value: 2 }]] });
    await kept(two.mutate.act([['things', 'x', 3]]));
    await net.deliverAll();
    await Promise.all([one, two, far].map((store) => store.close()));
    const again = scene.open('d', { ...parts, storage: other });
    await again.ready;
    expect(again.table('things').get('x')).toEqual({ value: 3 });
  });
});
