import type { ClientStorage } from 'cotable';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { foldLog } from '../property/oracle.mjs';
import { collect, kept, level, rowsOf, turns, when, type TestStore } from '../spec/support.ts';
import { createRelayScene, type TabParts } from './scene.ts';
import { createTabNet } from './tab-net.ts';
import { equalRows, thing, writes } from './watch.ts';

describe('tabs of a device', () => {
  test('[TB1] show each other what is pending at once, both ways, offline', async () => {
    const scene = createRelayScene(writes);
    const [one, two] = [scene.openOffline('a'), scene.openOffline('b')];
    await Promise.all([one.ready, two.ready]);
    await one.mutate.act([['things', 'from one', 1]]);
    await two.mutate.act([['things', 'from two', 2]]);
    await Promise.all([thing(two, 'from one', 1), thing(one, 'from two', 2)]);
    await two.mutate.act([['things', 'from one', 3]]);
    await one.mutate.act([['things', 'from two']]);
    await thing(one, 'from one', 3);
    await when(two.table('things').row$('from two'), ({ row }) => row === undefined);
    expect(rowsOf(one)).toEqual(rowsOf(two));
    scene.comeBack('a', 'b');
    await level(one, two);
    expect(await equalRows(one, two)).toMatchObject({ things: [['from one', { value: 3 }]] });
    expect((await scene.storage.entries('room', 0, 100)).length).toBe(4);
  });

  test('[TB27] show what one that closes was still writing when they opened, offline', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const scene = createRelayScene(writes);
    let write = (): void => undefined;
    const mayWrite = new Promise<void>((done) => (write = done));
    const slow: ClientStorage = {
      async open(name) {
        const database = await scene.disk.open(name);
        return { ...database, write: (batch) => mayWrite.then(() => database.write(batch)) };
      },
    };
    const one = scene.openOffline('a', { storage: slow });
    await one.ready;
    await one.mutate.act([['things', 'last', 1]]);
    const closing = one.close();
    const two = scene.openOffline('b');
    await two.ready;
    // It has looked who is there, and at what is on disk.
    await turns(10);
    await vi.advanceTimersByTimeAsync(1_000);
    await turns(10);
    expect(two.table('things').has('last')).toBe(false);
    write();
    await closing;
    await thing(two, 'last', 1);
    expect(two.status.pending).toBe(1);
  });

  test('[TB2] of which there are five show the same while offline, while they come back, and afterwards', async () => {
    const scene = createRelayScene(writes);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const stores = names.map((name) => scene.openOffline(name));
    await Promise.all(stores.map((store) => store.ready));
    for (const [at, store] of stores.entries()) {
      await store.mutate.act([['things', 'shared', at]]);
      await store.mutate.count({ id: 'c' });
      await store.mutate.act([['things', `own ${at}`, at]]);
      // So that no two have one clock: then what stands is what the relay gets first.
      await Promise.all(stores.map((other) => thing(other, `own ${at}`, at)));
    }
    await equalRows(...stores);
    expect(stores[0]!.table('things').count()).toBe(6);
    expect(stores.map(({ status }) => status.pending)).toEqual([15, 15, 15, 15, 15]);
    for (const name of names) {
      scene.comeBack(name);
      await equalRows(...stores);
    }
    await level(...stores);
    const rows = await equalRows(...stores);
    const bob = scene.open('bob', { userId: 'bob', storage: scene.disk });
    await bob.synced;
    expect(rowsOf(bob)).toEqual(rows);
    const { mutations } = foldLog(await scene.storage.entries('room', 0, 100));
    expect([mutations.length, new Set(mutations).size]).toEqual([15, 15]);
    // Tabs that wait for each other find out by time.
  }, 40_000);

  test.each([1, 2, 3, 4])('[TB2] of two writes with one clock all show the same one (%i)', async () => {
    const scene = createRelayScene(writes);
    const net = createTabNet();
    const stores = ['a', 'b', 'c'].map((name) => scene.openOffline(name, { tabs: net.transport() }));
    await Promise.all(stores.map((store) => store.ready));
    await net.deliverAll();
    net.hold(true);
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now());
    await Promise.all(stores.map((store, at) => store.mutate.act([['things', 'a', at]])));
    await turns(2);
    now.mockRestore();
    await net.deliverAll();
    expect(stores.map(({ status }) => status.pending)).toEqual([3, 3, 3]);
    const [first, ...others] = stores.map(rowsOf);
    for (const other of others) expect(other).toEqual(first);
  });

  test('[TB3] tell their observers of a mutation of another tab once, after all tables are written', async () => {
    const scene = createRelayScene(writes);
    const [one, two] = [scene.openOffline('a'), scene.openOffline('b')];
    await Promise.all([one.ready, two.ready]);
    const seen: boolean[] = [];
    const changes = [collect(two.table('things').changes$), collect(two.table('records').changes$)];
    const lists = collect(two.table('things').rows$);
    two.table('things').changes$.subscribe(() => seen.push(two.table('records').has('b')));
    two.table('records').changes$.subscribe(() => seen.push(two.table('things').has('a')));
    await one.mutate.act([
      ['things', 'a', 1],
      ['records', 'b', 2],
    ]);
    await thing(two, 'a', 1);
    expect([seen, changes.map(({ length }) => length), lists.length]).toEqual([[true, true], [1, 1], 2]);
    scene.comeBack('a', 'b');
    await level(one, two);
    // Its confirmation changes no row.
    expect([changes.map(({ length }) => length), lists.length]).toEqual([[1, 1], 2]);
  });

  test('[TB4] count what is pending in all of them, and show which rows are', async () => {
    const scene = createRelayScene(writes);
    const [one, two] = [scene.openOffline('a'), scene.openOffline('b')];
    await Promise.all([one.ready, two.ready]);
    const seen = collect(two.table('things').row$('a'));
    await one.mutate.act([['things', 'a', 1]]);
    await one.mutate.act([['things', 'b', 1]]);
    await when(two.status$, ({ pending }) => pending === 2);
    await when(two.table('things').row$('b'), ({ pending }) => pending);
    scene.comeBack('a');
    await level(one);
    // Its own link is away: it learns of what is confirmed when that is back.
    expect(two.status.pending).toBe(2);
    scene.comeBack('b');
    await level(two);
    expect(seen.map(({ row, pending }) => [row?.value, pending])).toEqual([
      [undefined, false],
      [1, true],
      [1, false],
    ]);
    expect(one.status.pending).toBe(0);
  });

  test('[TB5] do not show again what was announced to them later than it was confirmed', async () => {
    const scene = createRelayScene(writes);
    const net = createTabNet();
    const [one, two] = [scene.open('a', { tabs: net.transport() }), scene.open('b', { tabs: net.transport() })];
    await level(one, two);
    await net.deliverAll();
    net.hold(true);
    const held = await one.mutate.act([['things', 'a', 1]]);
    await held.confirmed;
    await kept(one.mutate.act([['things', 'a', 2]]));
    await thing(two, 'a', 2);
    await net.deliverAll();
    expect([two.table('things').get('a'), two.status.pending]).toEqual([{ value: 2 }, 0]);
    await kept(two.mutate.act([['things', 'a', 3]]));
    await thing(one, 'a', 3);
    await net.deliverAll();
    await level(one, two);
    expect([one.status.pending, two.status.pending]).toEqual([0, 0]);
  });

  test('[TB6] that open a fresh device together are one user of it', async () => {
    const scene = createRelayScene((ctx, key) => ctx.table('things').set(String(key), { value: ctx.userId }));
    const stores = ['a', 'b', 'c'].map((name) => scene.open(name, { userId: undefined }));
    await Promise.all(stores.map((store, at) => kept(store.mutate.act(at))));
    await equalRows(...stores);
    const authors = new Set(
      stores[0]!
        .table('things')
        .list()
        .map(({ value }) => value),
    );
    expect(authors.size).toBe(1);
    await Promise.all(stores.map((store) => store.close()));
    const again = scene.open('d', { userId: undefined });
    await kept(again.mutate.act('again'));
    expect(authors).toContain(again.table('things').get('again')?.value);
  });

  test('[TB7] of different users or rooms do not hear each other', async () => {
    const scene = createRelayScene(writes);
    const parts: readonly [string, Parameters<typeof scene.open>[1]][] = [
      ['a', {}],
      ['b', { userId: 'bob' }],
      ['c', { room: 'other' }],
      ['d', {}],
    ];
    const [one, bob, elsewhere, witness] = parts.map(([name, part]) => scene.openOffline(name, part)) as [
      TestStore,
      TestStore,
      TestStore,
      TestStore,
    ];
    await Promise.all([one, bob, elsewhere, witness].map((store) => store.ready));
    await one.mutate.act([['things', 'a', 1]]);
    await thing(witness, 'a', 1);
    expect([bob, elsewhere].map((store) => [store.table('things').count(), store.status.pending])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test('[TB29] show nothing again that came within a snapshot, when a tab that had taken it over too is heard late', async () => {
    const scene = createRelayScene(writes);
    const net = createTabNet();
    const parts = (name: string): TabParts => ({ tabs: net.transport(name) });
    const gone = scene.openOffline('gone', parts('gone'));
    await gone.ready;
    await (
      await gone.mutate.act([['things', 'a', 1]])
    ).stored;
    net.freeze('gone', true);
    const [two, three] = [scene.openOffline('two', parts('two')), scene.openOffline('three', parts('three'))];
    await Promise.all([two.ready, three.ready]);
    await turns(5);
    // They know of each other, and do not hear that both take over what is on disk.
    net.hold(true);
    await expect.poll(() => [two.outbox.length, three.outbox.length]).toEqual([1, 1]);
    scene.comeBack('three');
    await level(three);
    await kept(three.mutate.act([['things', 'a', 2]]));
    scene.comeBack('two');
    await level(two);
    await thing(two, 'a', 2);
    const shown = collect(two.table('things').row$('a'));
    net.hold(false);
    await net.deliverAll();
    await turns(10);
    expect(shown.map(({ row }) => row?.value)).toEqual([2]);
  });
});
