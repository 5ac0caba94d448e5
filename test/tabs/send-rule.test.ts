import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { keyOf } from '../spec/faults.ts';
import { collect, kept, level, when, type TestStore } from '../spec/support.ts';
import { inLog, provenLog } from './log-proof.ts';
import { createRelayScene, type RelayScene } from './scene.ts';
import { equalRows, thing, writes } from './watch.ts';

/** A tab that is offline with `things/a` pending, one that is online and shows it, and bob on a device of his own. */
async function scene(): Promise<{ world: RelayScene; one: TestStore; two: TestStore; bob: TestStore }> {
  const world = createRelayScene(writes);
  const one = world.openOffline('a');
  const [two, bob] = [world.open('b'), world.open('bob', { userId: 'bob', storage: ownDisk() })];
  await Promise.all([one.ready, level(two, bob)]);
  await one.mutate.act([['things', 'a', 'of one']]);
  await thing(two, 'a', 'of one');
  return { world, one, two, bob };
}

describe('what is built on what another tab has pending', () => {
  test.each([
    ['written over', (store: TestStore) => store.mutate.act([['things', 'a', 'of two']]), 'of two'],
    ['deleted', (store: TestStore) => store.mutate.act([['things', 'a']]), undefined],
  ])('[TB8] is not sent before that is accepted: a row that is %s', async (_, build, value) => {
    const { world, one, two, bob } = await scene();
    const independent = two.mutate.act([['things', 'b', 1]]);
    await kept(independent);
    await thing(bob, 'b', 1);
    const seen = collect(bob.table('things').rows$);
    const built = await build(two);
    const behind = await two.mutate.act([['things', 'c', 1]]);
    // It has a way to the relay all the while: what bob writes comes over it.
    for (let n = 0; n < 20; n++) await kept(bob.mutate.count({ id: 'bob' }));
    await when(two.table('counters').row$('bob'), ({ row }) => row?.n === 20);
    expect([two.status.state, two.status.pending]).toEqual(['online', 3]);
    expect(seen.length).toBe(1);
    world.comeBack('a');
    await Promise.all([built.confirmed, behind.confirmed]);
    await level(one, two, bob);
    const rows = await equalRows(one, two, bob);
    expect(rows).toMatchObject({ things: [...(value ? [['a', { value }]] : []), ['b', expect.anything()], ['c', expect.anything()]] });
    const { mutations } = await provenLog(world.storage);
    const order = [(await independent).id, built.id, behind.id].map((id) => mutations.indexOf(inLog(id)));
    expect(order.toSorted((a, b) => a - b)).toEqual(order);
  });

  test('[TB8] a mutation that only read it waits too, also when it read a whole list', async () => {
    const world = createRelayScene((ctx, input) => {
      if (input === 'list') ctx.table('records').set('read', { seen: ctx.table('things').count() });
      else if (input === 'row') ctx.table('records').set('read row', { seen: ctx.table('things').has('a') });
      else writes(ctx, input);
    });
    const one = world.openOffline('a');
    const two = world.open('b');
    await Promise.all([one.ready, level(two)]);
    await one.mutate.act([['things', 'a', 1]]);
    await thing(two, 'a', 1);
    const [row, list] = [await two.mutate.act('row'), await two.mutate.act('list')];
    await row.stored;
    await list.stored;
    expect(two.table('records').entries()).toEqual([
      ['read', { seen: 1 }],
      ['read row', { seen: true }],
    ]);
    expect((await provenLog(world.storage)).mutations).toEqual([]);
    world.comeBack('a');
    await Promise.all([row.confirmed, list.confirmed]);
    expect((await provenLog(world.storage)).mutations.slice(1)).toEqual([row.id, list.id].map(inLog));
    await level(one, two);
    expect(await equalRows(one, two)).toMatchObject({
      records: [
        ['read', { seen: 1 }],
        ['read row', { seen: true }],
      ],
    });
  });

  test('[TB9] bytes of one tab never stand on what another has pending', async () => {
    const world = createRelayScene(writes);
    const names = ['a', 'b', 'c'];
    const stores = names.map((name) => world.openOffline(name));
    await Promise.all(stores.map((store) => store.ready));
    for (let round = 0; round < 4; round++) {
      for (const store of stores) {
        await store.mutate.act([
          ['things', 'shared', round],
          ['records', `${round}`, round],
        ]);
        await store.mutate.count({ id: 'c' });
        await equalRows(...stores);
      }
    }
    world.comeBack('b');
    await stores[1]!.synced;
    world.comeBack('c', 'a');
    await level(...stores);
    const rows = await equalRows(...stores);
    const proven = await provenLog(world.storage);
    expect([proven.mutations.length, proven.rows['counters']]).toEqual([24, { c: { n: 12 } }]);
    expect(Object.entries(proven.rows['things'] ?? {})).toEqual(rows['things']);
  });

  test('[TB10] runs again when that ran again with another result', async () => {
    const world = createRelayScene();
    const [one, two] = [world.open('a'), world.open('b')];
    await level(one, two);
    world.goOffline('a', 'b');
    world.hub.cut();
    const refused = await one.mutate.count({ id: 'c' });
    await refused.stored;
    await one.mutate.count({ id: 'c', by: 10 });
    await when(two.table('counters').row$('c'), ({ row }) => row?.n === 11);
    const built = await two.mutate.count({ id: 'c', by: 100 });
    await when(one.table('counters').row$('c'), ({ row }) => row?.n === 111);
    await world.storage.refuse('room', [{ mark: keyOf(refused.id), refusal: { code: 'chat.muted', params: {} } }]);
    world.comeBack('a');
    await expect(refused.confirmed).rejects.toMatchObject({ code: 'chat.muted' });
    // Without a link of its own the other tab hears it from this one.
    await when(two.table('counters').row$('c'), ({ row }) => row?.n === 110);
    world.comeBack('b');
    await built.confirmed;
    await level(one, two);
    expect(await equalRows(one, two)).toMatchObject({ counters: [['c', { n: 110 }]] });
    expect((await provenLog(world.storage)).rows['counters']).toEqual({ c: { n: 110 } });
  });
});

function ownDisk(): ReturnType<typeof memoryClientStorage> {
  return memoryClientStorage({ durable: true });
}
