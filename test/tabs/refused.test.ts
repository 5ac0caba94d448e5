import { describe, expect, test } from 'vitest';
import { keyOf } from '../spec/faults.ts';
import { collect, level, when, type TestStore } from '../spec/support.ts';
import { provenLog } from './log-proof.ts';
import { createRelayScene, type RelayScene } from './scene.ts';
import { equalRows, thing, writes } from './watch.ts';

const MUTED = { code: 'chat.muted', params: { by: 'test' } };

async function offlineTabs(): Promise<{ world: RelayScene; one: TestStore; two: TestStore; refuse: (id: string) => Promise<void> }> {
  const world = createRelayScene(writes);
  const [one, two] = [world.open('a'), world.open('b')];
  await level(one, two);
  world.goOffline('a', 'b');
  world.hub.cut();
  const refuse = (id: string): Promise<void> => world.storage.refuse('room', [{ mark: keyOf(id), refusal: MUTED }]);
  return { world, one, two, refuse };
}

describe('a refused mutation of one tab', () => {
  test.each(['a', 'b'])('[TB11] is rolled back in all of them, and on the list of all, whichever hears of it (%s)', async (first) => {
    const { world, one, two, refuse } = await offlineTabs();
    const refused = await one.mutate.act([
      ['things', 'a', 'refused'],
      ['records', 'a', 'refused'],
    ]);
    await refused.stored;
    await thing(two, 'a', 'refused');
    const built = await two.mutate.act([['things', 'b', 'fine']]);
    await built.stored;
    await refuse(refused.id);
    const lists = collect(two.table('things').rows$);
    world.comeBack(first);
    await when((first === 'a' ? one : two).status$, ({ state }) => state === 'online');
    await when(two.table('things').row$('a'), ({ row }) => row === undefined);
    world.comeBack('a', 'b');
    await expect(refused.confirmed).rejects.toMatchObject(MUTED);
    await Promise.all([one, two].map((store) => when(store.rejections$, (list) => list.length === 1)));
    for (const store of [one, two]) {
      expect(store.rejections).toMatchObject([{ id: refused.id, name: 'act', error: MUTED }]);
      expect([store.table('things').has('a'), store.table('records').has('a')]).toEqual([false, false]);
    }
    await built.confirmed;
    await level(one, two);
    expect(await equalRows(one, two)).toMatchObject({ things: [['b', { value: 'fine' }]], records: [] });
    expect(lists.length).toBeLessThanOrEqual(3);
    expect((await provenLog(world.storage)).mutations).toHaveLength(1);
  });

  test('[TB12] takes with it what cannot run without it in another tab, which is told so', async () => {
    const { world, one, two, refuse } = await offlineTabs();
    const refused = await one.mutate.note({ id: 'n', title: 'refused' });
    await when(two.table('notes').row$('n'), ({ row }) => row !== undefined);
    const edit = await two.mutate.edit({ id: 'n', title: 'edited' });
    await when(one.table('notes').row$('n'), ({ row }) => row?.title === 'edited');
    const fine = await two.mutate.act([['things', 'b', 'fine']]);
    await refuse(refused.id);
    world.comeBack('a', 'b');
    await expect(refused.confirmed).rejects.toMatchObject(MUTED);
    await expect(edit.confirmed).rejects.toMatchObject({ code: 'row.notFound' });
    await fine.confirmed;
    await level(one, two);
    await Promise.all([one, two].map((store) => when(store.rejections$, (list) => list.length === 2)));
    expect(await equalRows(one, two)).toMatchObject({ notes: [], things: [['b', { value: 'fine' }]] });
    for (const store of [one, two]) expect(store.rejections.map(({ id }) => id).toSorted()).toEqual([refused.id, edit.id].toSorted());
    expect([one.status.pending, two.status.pending]).toEqual([0, 0]);
  });

  test('[TB13] that was dismissed or made again in one tab is dismissed on the device', async () => {
    const { world, one, two, refuse } = await offlineTabs();
    const refused = await one.mutate.act([['things', 'a', 'again']]);
    await refused.stored;
    await refuse(refused.id);
    world.comeBack('a', 'b');
    // The other one has written it down by then.
    await expect(refused.confirmed).rejects.toMatchObject(MUTED);
    const [rejection] = await when(two.rejections$, (list) => list.length === 1);
    const receipt = await rejection!.retry();
    await receipt.confirmed;
    await thing(one, 'a', 'again');
    await level(one, two);
    await Promise.all([one.close(), two.close()]);
    const again = world.open('c');
    await again.ready;
    expect(again.rejections).toEqual([]);
    expect((await provenLog(world.storage)).mutations).toHaveLength(1);
  });
});
