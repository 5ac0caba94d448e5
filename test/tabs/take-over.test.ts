import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { kept, level, turns, when } from '../spec/support.ts';
import { flaky } from './flaky.ts';
import { inLog, provenLog } from './log-proof.ts';
import { createRelayScene } from './scene.ts';
import { createTabNet } from './tab-net.ts';
import { equalRows, thing, writes } from './watch.ts';

describe('what is pending in a tab that is gone', () => {
  test('[TB14] is sent by another as soon as the tab closes', async () => {
    const world = createRelayScene(writes);
    const [one, two] = [world.openOffline('a'), world.open('b')];
    await Promise.all([one.ready, level(two)]);
    const made = await one.mutate.act([['things', 'a', 1]]);
    await thing(two, 'a', 1);
    const built = await two.mutate.act([['things', 'a', 2]]);
    await one.close();
    // Sooner than a tab is taken for gone that only says nothing.
    const start = performance.now();
    await built.confirmed;
    expect(performance.now() - start).toBeLessThan(1_500);
    await level(two);
    expect((await provenLog(world.storage)).mutations).toEqual([made.id, built.id].map(inLog));
    await expect(made.confirmed).rejects.toMatchObject({ code: 'store.closed' });
  });

  test('[TB14] is taken over at a start, with what it was built on in yet another tab', async () => {
    const world = createRelayScene(writes);
    const [one, two] = [world.openOffline('a'), world.openOffline('b')];
    await Promise.all([one.ready, two.ready]);
    const ids: string[] = [];
    for (const [at, store] of [one, two, one, two].entries()) {
      const { id, stored } = await store.mutate.act([['things', 'a', at]]);
      ids.push(id);
      await stored;
      await Promise.all([thing(one, 'a', at), thing(two, 'a', at)]);
    }
    await Promise.all([one.close(), two.close()]);
    const again = world.openOffline('c');
    await again.ready;
    expect([again.table('things').get('a'), again.status.pending]).toEqual([{ value: 3 }, 4]);
    world.comeBack('c');
    await level(again);
    expect((await provenLog(world.storage)).mutations).toEqual(ids.map(inLog));
    expect(await equalRows(again)).toMatchObject({ things: [['a', { value: 3 }]] });
  });

  test('[TB15] happens once though the tab was only asleep, and it hears what became of it', async () => {
    const world = createRelayScene();
    const net = createTabNet();
    const one = world.openOffline('a', { tabs: net.transport() });
    await one.ready;
    const made = await one.mutate.count({ id: 'c' });
    await made.stored;
    net.hold(true);
    const two = world.open('b', { tabs: net.transport() });
    await level(two);
    expect(two.table('counters').get('c')).toEqual({ n: 1 });
    expect((await provenLog(world.storage)).mutations).toEqual([made.id].map(inLog));
    const later = await one.mutate.count({ id: 'c' });
    await net.deliverAll();
    net.hold(false);
    world.comeBack('a');
    await Promise.all([made.confirmed, later.confirmed]);
    await level(one, two);
    await net.deliverAll();
    expect(await equalRows(one, two)).toMatchObject({ counters: [['c', { n: 2 }]] });
    expect((await provenLog(world.storage)).mutations).toEqual([made.id, later.id].map(inLog));
    expect([one.rejections, two.rejections]).toEqual([[], []]);
  });

  test('[TB15] so it does when both are out of reach of the relay until both are awake', async () => {
    const world = createRelayScene();
    const net = createTabNet();
    const one = world.openOffline('a', { tabs: net.transport() });
    await one.ready;
    const made = [await one.mutate.count({ id: 'c' }), await one.mutate.count({ id: 'c' })];
    await made[1]!.stored;
    net.hold(true);
    const two = world.openOffline('b', { tabs: net.transport() });
    // It goes online, or would, once it has what nobody answers for.
    await when(two.status$, ({ state }) => state === 'offline');
    const built = await two.mutate.count({ id: 'c' });
    await built.stored;
    await net.deliverAll();
    net.hold(false);
    const more = await one.mutate.count({ id: 'c' });
    world.comeBack('a', 'b');
    await Promise.all([...made, built, more].map(({ confirmed }) => confirmed));
    await level(one, two);
    await net.deliverAll();
    await equalRows(one, two);
    const { mutations, rows } = await provenLog(world.storage);
    expect(mutations.toSorted()).toEqual([...made, built, more].map(({ id }) => inLog(id)).toSorted());
    expect([rows['counters'], one.status.pending, two.status.pending]).toEqual([{ c: one.table('counters').get('c') }, 0, 0]);
  });

  test('[TB16] survives a reload of all tabs, more than once', async () => {
    const world = createRelayScene(writes);
    for (const round of [0, 1, 2]) {
      const [one, two] = [world.openOffline('a'), world.openOffline('b')];
      await Promise.all([one.ready, two.ready]);
      expect([one.status.pending, two.status.pending]).toEqual([2 * round, 2 * round]);
      await stored(one.mutate.act([['things', `one ${round}`, round]]));
      await stored(two.mutate.act([['things', `two ${round}`, round]]));
      await equalRows(one, two);
      await Promise.all([one.close(), two.close()]);
    }
    world.comeBack('a', 'b');
    const [one, two] = [world.open('a'), world.open('b')];
    await level(one, two);
    expect(await equalRows(one, two)).toMatchObject({ things: { length: 6 } });
    expect((await provenLog(world.storage)).mutations).toHaveLength(6);
    const database = await world.disk.open('alice/room');
    expect((await database.range(['outbox'])).length).toBe(0);
  });
});

describe('tabs that share no disk', () => {
  test('[TB17] a tab whose disk fails shows and sends what it has all the same, and what is lost with it is shown no more', async () => {
    const world = createRelayScene(writes);
    const full = flaky(world.disk);
    const [one, two] = [world.open('a', { storage: full.storage }), world.open('b')];
    await level(one, two);
    full.failNext(10_000);
    await kept(one.mutate.act([['things', 'a', 1]]));
    await thing(two, 'a', 1);
    await level(one, two);
    world.goOffline('a');
    world.hub.cut('a');
    const lost = await one.mutate.act([['things', 'lost', 1]]);
    await expect(lost.stored).rejects.toMatchObject({ code: 'storage.quota' });
    await thing(two, 'lost', 1);
    await one.close();
    await when(two.table('things').row$('lost'), ({ row }) => row === undefined);
    await level(two);
    expect((await provenLog(world.storage)).mutations).toHaveLength(1);
  }, 15_000);

  test('[TB18] a private window shows what other tabs have pending, keeps its own, and takes over nothing', async () => {
    const world = createRelayScene(writes);
    const parts = { storage: memoryClientStorage({ durable: false }) };
    const one = world.openOffline('a');
    const apart = world.open('b', parts);
    await Promise.all([one.ready, level(apart)]);
    const made = await one.mutate.act([['things', 'a', 1]]);
    await thing(apart, 'a', 1);
    const built = await apart.mutate.act([['things', 'a', 2]]);
    await thing(one, 'a', 2);
    await one.close();
    // Nobody there can send it: what was built on it runs again without, and is sent.
    await built.confirmed;
    await level(apart);
    expect((await provenLog(world.storage)).mutations).toEqual([inLog(built.id)]);
    expect(apart.table('things').get('a')).toEqual({ value: 2 });
    const again = world.open('c');
    await level(again, apart);
    expect(await equalRows(again, apart)).toMatchObject({ things: [['a', { value: 2 }]] });
    expect((await provenLog(world.storage)).mutations).toEqual([built.id, made.id].map(inLog));
  }, 15_000);
});

async function stored(mutation: Promise<{ readonly stored: Promise<void> }>): Promise<void> {
  await (
    await mutation
  ).stored;
  await turns(2);
}
