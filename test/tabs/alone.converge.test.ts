import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test, vi } from 'vitest';
import { collect, kept, rowsOf, turns, type TestStore } from '../spec/support.ts';
import { createAloneScene, type Scene } from './scene.ts';
import { createTabNet, type TabNet } from './tab-net.ts';
import { equalRows, thing, writes } from './watch.ts';

/** Two tabs that have seen the same note, and hear nothing of each other until the net is let go. */
async function apart(): Promise<{ scene: Scene; net: TabNet; one: TestStore; two: TestStore }> {
  const scene = createAloneScene(writes);
  const net = createTabNet();
  const [one, two] = [scene.open('a', { tabs: net.transport() }), scene.open('b', { tabs: net.transport() })];
  await Promise.all([one.ready, two.ready]);
  await kept(one.mutate.note({ id: 'n', title: 'first', body: 'body' }));
  await net.deliverAll();
  expect(two.table('notes').get('n')?.title).toBe('first');
  net.hold(true);
  return { scene, net, one, two };
}

async function reopened(scene: Scene, ...stores: readonly TestStore[]): Promise<TestStore> {
  await Promise.all(stores.map((store) => store.close()));
  const again = scene.open('again');
  await again.ready;
  return again;
}

/** Yjs decides between concurrent writes by writer ids, which are random: often enough both ways come up. */
const ROUNDS = Array.from({ length: 12 }, (_, round) => round);

describe('concurrent edits in tabs of a device on its own', () => {
  test.for(ROUNDS)('[OA9] of edits of one field the later one stands, whichever is heard first (%i)', async (round) => {
    const { scene, net, one, two } = await apart();
    const [early, late] = round % 2 === 0 ? [one, two] : [two, one];
    await kept(early.mutate.edit({ id: 'n', title: 'earlier', stars: 1 }));
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(0));
    const start = Date.now();
    while (Date.now() <= start);
    await kept(late.mutate.edit({ id: 'n', title: 'later', body: 'other' }));
    if (round % 3 > 0) {
      await net.deliverAll();
      for (const store of [one, two]) expect(store.table('notes').get('n')).toEqual({ id: 'n', title: 'later', body: 'other', stars: 1 });
    }
    const again = await reopened(scene, one, two);
    expect(again.table('notes').get('n')).toEqual({ id: 'n', title: 'later', body: 'other', stars: 1 });
  });

  test.for(ROUNDS)('[OA9] of rows made with one key the later one stands, as a whole (%i)', async (round) => {
    const { scene, net, one, two } = await apart();
    const [early, late] = round % 2 === 0 ? [one, two] : [two, one];
    await kept(early.mutate.note({ id: 'new', title: 'earlier', body: 'of the earlier' }));
    const start = Date.now();
    while (Date.now() <= start);
    await kept(late.mutate.note({ id: 'new', title: 'later' }));
    if (round % 3 > 0) {
      await net.deliverAll();
      for (const store of [one, two]) expect(store.table('notes').get('new')).toEqual({ id: 'new', title: 'later', stars: 0 });
    }
    const again = await reopened(scene, one, two);
    expect(again.table('notes').get('new')).toEqual({ id: 'new', title: 'later', stars: 0 });
  });

  test.for(ROUNDS)('[OA10] a delete wins over edits it did not see, and a row made anew has nothing of them (%i)', async (round) => {
    const { scene, net, one, two } = await apart();
    const [deleter, editor] = round % 2 === 0 ? [one, two] : [two, one];
    await kept(deleter.mutate.drop({ id: 'n' }));
    for (let n = 0; n < 40; n++) await kept(editor.mutate.edit({ id: 'n', title: `late edit ${n}` }));
    await net.deliverAll();
    for (const store of [one, two]) expect(store.table('notes').has('n')).toBe(false);
    // At once: not a later millisecond, but later than what was heard.
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() - 60_000);
    await kept(deleter.mutate.note({ id: 'n', title: 'anew' }));
    now.mockRestore();
    await net.deliverAll();
    for (const store of [one, two]) expect(store.table('notes').get('n')).toEqual({ id: 'n', title: 'anew', stars: 0 });
    const again = await reopened(scene, one, two);
    expect(again.table('notes').get('n')).toEqual({ id: 'n', title: 'anew', stars: 0 });
  });

  test('[OA11] observers of the other tab hear of a mutation once, after all tables are written', async () => {
    const { net, one, two } = await apart();
    const seen: boolean[] = [];
    const changes = collect(two.table('things').changes$);
    const others = collect(two.table('records').changes$);
    two.table('things').changes$.subscribe(() => seen.push(two.table('records').has('b')));
    two.table('records').changes$.subscribe(() => seen.push(two.table('things').has('a')));
    await one.mutate.act([
      ['things', 'a', 1],
      ['records', 'b', 2],
    ]);
    await net.deliverAll();
    expect([seen, changes.length, others.length]).toEqual([[true, true], 1, 1]);
  });
});

describe('devices and tabs that come and go', () => {
  test('[OA12] tabs with disks of their own on one channel both keep everything', async () => {
    const scene = createAloneScene(writes);
    const disks = [memoryClientStorage({ durable: true }), memoryClientStorage({ durable: true })] as const;
    const before = scene.open('b', { storage: disks[1], userId: 'ann' });
    await kept(before.mutate.act([['things', 'before', 0]]));
    await before.close();
    const open = (n: 0 | 1): TestStore => scene.open('x', { storage: disks[n], userId: 'ann' });
    const [one, two] = [open(0), open(1)];
    await Promise.all([one.ready, two.ready]);
    await kept(one.mutate.act([['things', 'one', 1]]));
    await kept(two.mutate.act([['things', 'two', 2]]));
    await Promise.all([one, two].flatMap((store) => [thing(store, 'one', 1), thing(store, 'two', 2), thing(store, 'before', 0)]));
    // Built by one on what it heard of the other.
    await kept(one.mutate.act([['things', 'two', 3]]));
    await thing(two, 'two', 3);
    const rows = await equalRows(one, two);
    await Promise.all([one.close(), two.close()]);
    for (const n of [0, 1] as const) {
      const again = open(n);
      await again.ready;
      expect(rowsOf(again)).toEqual(rows);
      await again.close();
    }
  });

  test('[OA13] two tabs that fold a long record at once lose nothing, and go on', async () => {
    const scene = createAloneScene();
    let rows: unknown;
    // Neither of them has written so much that it would fold by itself.
    for (const name of ['first', 'second']) {
      const tab = scene.open(name);
      await tab.ready;
      for (let n = 0; n < 310; n++) await (await tab.mutate.count({ id: `c${n % 5}` })).stored;
      rows = rowsOf(tab);
      await tab.close();
    }
    const [one, two] = [scene.open('b'), scene.open('c')];
    await Promise.all([one.ready, two.ready]);
    expect([rowsOf(one), rowsOf(two)]).toEqual([rows, rows]);
    await kept(one.mutate.count({ id: 'c0' }));
    await vi.waitFor(() => expect(two.table('counters').get('c0')).toEqual({ n: 125 }));
    await kept(two.mutate.count({ id: 'c0' }));
    await vi.waitFor(() => expect(one.table('counters').get('c0')).toEqual({ n: 126 }));
    await turns(3);
    await Promise.all([one.close(), two.close()]);
    const database = await scene.disk.open('/room/alone');
    expect((await database.range(['update'])).length).toBeLessThan(10);
    const again = scene.open('d');
    await again.ready;
    expect(rowsOf(again)).toMatchObject({
      counters: [['c0', { n: 126 }], expect.anything(), expect.anything(), expect.anything(), expect.anything()],
    });
  });
});
