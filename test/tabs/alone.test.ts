import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { collect, kept, rowsOf, when } from '../spec/support.ts';
import { createAloneScene, createRelayScene } from './scene.ts';
import { equalRows, thing, writes } from './watch.ts';

describe('a device on its own', () => {
  test('[OA1] is alone, and level at once', async () => {
    const { open } = createAloneScene();
    const store = open('a');
    const states = collect(store.status$);
    await Promise.all([store.ready, store.synced]);
    expect(states.map(({ state }) => state)).toEqual(['loading', 'alone']);
    expect(store.status).toEqual({ state: 'alone', reason: undefined, pending: 0, durable: true, mayWrite: true });
  });

  test('[OA2] confirms what it has stored, and then nothing is pending', async () => {
    const { open } = createAloneScene();
    const store = open('a');
    await store.ready;
    const receipt = await store.mutate.note({ id: 'n', title: 'mine' });
    const seen = collect(store.table('notes').row$('n'));
    expect([store.status.pending, seen[0]?.pending]).toEqual([1, true]);
    const order: string[] = [];
    await Promise.all([receipt.stored.then(() => order.push('stored')), receipt.confirmed.then(() => order.push('confirmed'))]);
    expect(order.toSorted()).toEqual(['confirmed', 'stored']);
    expect([store.status.pending, seen.at(-1)?.pending, seen.length]).toEqual([0, false, 2]);
  });

  test('[OA3] what it cannot keep is `storage.notDurable`, and stands', async () => {
    const { open } = createAloneScene();
    const store = open('a', { storage: memoryClientStorage() });
    const receipt = await store.mutate.note({ id: 'n', title: 'mine' });
    await expect(receipt.stored).rejects.toMatchObject({ code: 'storage.notDurable' });
    await receipt.confirmed;
    expect(store.status).toMatchObject({ durable: false, pending: 0 });
    expect(store.table('notes').get('n')?.title).toBe('mine');
  });

  test('[OA4] reads everything again after a restart', async () => {
    const { open } = createAloneScene(writes);
    const store = open('a');
    await kept(store.mutate.note({ id: 'n', title: 'mine' }));
    await kept(store.mutate.edit({ id: 'n', title: 'edited', stars: 3 }));
    await kept(store.mutate.note({ id: 'gone', title: 'x' }));
    await kept(store.mutate.drop({ id: 'gone' }));
    const both: (readonly [string, string, number])[] = [
      ['things', 'a', 1],
      ['records', 'a', 1],
    ];
    await store.mutate.act(both);
    const rows = rowsOf(store);
    await store.close();
    const again = open('b');
    await again.ready;
    expect(rowsOf(again)).toEqual(rows);
    await kept(again.mutate.edit({ id: 'n', stars: 4 }));
    await again.close();
    const third = open('c');
    await third.ready;
    expect(third.table('notes').list()).toEqual([{ id: 'n', title: 'edited', stars: 4 }]);
  });

  test('[OA5] refuses a call of an action at once; what a mutator enqueues is left out', async () => {
    const { open } = createAloneScene((ctx) => {
      ctx.enqueueAction('answer', { id: 'n' });
      ctx.table('things').set('asked', { value: true });
    });
    const store = open('a');
    for (const isReady of [false, true]) {
      if (isReady) await store.ready;
      const run = store.action.answer({ id: 'n' });
      await expect(run).rejects.toMatchObject({ code: 'action.offline', params: { name: 'answer' }, httpStatus: 503 });
      await expect(run.accepted).rejects.toMatchObject({ code: 'action.offline' });
      expect(run.status).toBe('failed');
    }
    expect(() => store.action.answer({ id: 1 } as unknown as { id: string })).toThrow('answer');
    await kept(store.mutate.act(null));
    expect(store.table('things').get('asked')).toEqual({ value: true });
    expect(store.rejections).toEqual([]);
  });

  test('[OA6] keeps a room apart from the same room with a relay', async () => {
    const relayed = createRelayScene();
    const alone = createAloneScene();
    const parts = { storage: relayed.disk, tabs: relayed.tabs, userId: 'alice' };
    const [here, there] = [alone.open('a', parts), relayed.open('b', parts)];
    await kept(here.mutate.note({ id: 'n', title: 'alone' }));
    await kept(there.mutate.note({ id: 'm', title: 'shared' }));
    await Promise.all([here.close(), there.close()]);
    const [hereAgain, thereAgain] = [alone.open('a', parts), relayed.open('b', parts)];
    await Promise.all([hereAgain.ready, thereAgain.synced]);
    expect(
      [hereAgain, thereAgain].map((store) =>
        store
          .table('notes')
          .list()
          .map(({ id }) => id),
      ),
    ).toEqual([['n'], ['m']]);
  });

  test('[OA7] rolls back what a mutator throws, and keeps users and rooms apart', async () => {
    const { open } = createAloneScene((ctx) => {
      ctx.table('things').set('half', { value: 1 });
      throw new Error('no');
    });
    const [ann, ben, elsewhere] = [open('a', { userId: 'ann' }), open('b', { userId: 'ben' }), open('c', { userId: 'ann', room: 'other' })];
    await expect(ann.mutate.act(null)).rejects.toMatchObject({ code: 'mutation.failed' });
    await kept(ann.mutate.note({ id: 'n', title: 'ann' }));
    await kept(ben.mutate.note({ id: 'n', title: 'ben' }));
    const witness = open('d', { userId: 'ann' });
    await when(witness.table('notes').row$('n'), ({ row }) => row?.title === 'ann');
    expect([ann.table('things').count(), ben.table('notes').get('n')?.title, elsewhere.table('notes').count()]).toEqual([0, 'ben', 0]);
  });

  test('[OA8] tabs show each other what they write, both ways, in one that opens later too', async () => {
    const { open } = createAloneScene(writes);
    const [one, two] = [open('a'), open('b')];
    await Promise.all([one.ready, two.ready]);
    await one.mutate.act([['things', 'from one', 1]]);
    await two.mutate.act([['things', 'from two', 2]]);
    await Promise.all([thing(two, 'from one', 1), thing(one, 'from two', 2)]);
    const three = open('c');
    await three.ready;
    await three.mutate.act([['things', 'from three', 3]]);
    await Promise.all([thing(one, 'from three', 3), thing(two, 'from three', 3)]);
    expect(await equalRows(one, two, three)).toMatchObject({ things: [expect.anything(), expect.anything(), expect.anything()] });
    expect([one, two, three].map(({ status }) => status.pending)).toEqual([0, 0, 0]);
  });
});
