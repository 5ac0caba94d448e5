import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { keyOf } from '../spec/faults.ts';
import { collect } from '../spec/support.ts';
import { inLog, provenLog } from '../tabs/log-proof.ts';
import { writes } from '../tabs/watch.ts';
import { held } from './disk.ts';
import { createExact, type Exact, type ExactTab } from './scene.ts';
import { entriesOf, type SentHello } from './wire.ts';

const MUTED = { code: 'chat.muted', params: {} };
const TOO_OLD = { code: 'schema.tooOld', params: { mine: 1, theirs: 2 } };

/** Two tabs that were online, know each other, and are offline now. */
async function offline(): Promise<{ readonly world: Exact; readonly one: ExactTab; readonly two: ExactTab }> {
  const world = await createExact(writes);
  const [one, two] = [world.open('a'), world.open('b')];
  await world.settle();
  await world.goOffline('a', 'b');
  return { world, one, two };
}

describe('a tab', () => {
  test('[EX25] that was duplicated writes by a writer, over a link and under a name of its own', async () => {
    const world = await createExact(writes);
    const tabs = [world.open('a'), world.open('b')];
    await world.settle();
    const made = await Promise.all(tabs.map(({ store }, at) => store.mutate.act([['things', `${at}`, at]])));
    await world.settle();
    expect(tabs.map(({ store, line }) => [store.status.state, store.status.pending, line.links.length])).toEqual([
      ['online', 0, 1],
      ['online', 0, 1],
    ]);
    const entries = await entriesOf(world.storage);
    expect(entries.map(({ id }) => id).toSorted()).toEqual(made.map(({ id }) => id).toSorted());
    const hellos = tabs.map(({ line }) => line.sent()[0] as SentHello);
    expect(new Set(hellos.map(({ replica }) => replica)).size).toBe(2);
    expect(new Set(entries.map(({ writer }) => writer)).size).toBe(2);
  });

  test('[EX26] keeps what it made offline on the disk of the device, whatever becomes of it', async () => {
    const { world, one, two } = await offline();
    await one.store.mutate.act([['things', 'a', 1]]);
    await two.store.mutate.act([['things', 'b', 2]]);
    await world.settle();
    for (const name of ['a', 'b']) world.net.freeze(name, true);
    await world.goOffline('c');
    const { store } = world.open('c');
    await world.pass(1_000);
    expect([store.table('things').count(), store.status.pending]).toEqual([2, 2]);
  });

  test('[EX27] does not wait for one that is asleep', async () => {
    const { world, one } = await offline();
    await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    world.net.freeze('a', true);
    world.net.freeze('b', true);
    const { store } = world.open('c');
    const { id } = await store.mutate.act([['things', 'c', 1]]);
    await world.pass(1_500);
    expect([store.status.state, store.status.pending]).toEqual(['online', 0]);
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toContain(id);
  });
});

describe('what a tab has pending', () => {
  test('[EX28] is shown by the others at once', async () => {
    const { world, one, two } = await offline();
    await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    expect([two.store.table('things').get('a'), two.store.status.pending]).toEqual([{ value: 1 }, 1]);
  });

  test('[EX29] neither they nor the relay hear of before it is on disk', async () => {
    const world = await createExact(writes);
    const disk = held(world.disk);
    const [one, bob] = [world.open('a', { storage: disk.storage }), world.open('bob', { userId: 'bob' })];
    await world.settle();
    disk.hold('at all');
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    // What comes from the relay makes a tab look whether there is something to send.
    await bob.store.mutate.count({ id: 'c' });
    await world.goOffline('b');
    // Asks who is here, and what they have.
    const two = world.open('b');
    await world.pass(1_000);
    const seen = async (): Promise<unknown[]> => [
      two.store.table('things').count(),
      (await entriesOf(world.storage)).filter((entry) => entry.id === id).length,
    ];
    expect([one.store.table('counters').get('c'), await seen()]).toEqual([{ n: 1 }, [0, 0]]);
    disk.go();
    await world.settle();
    expect(await seen()).toEqual([1, 1]);
  });

  test.each(['a', 'b'])('[EX30] is rolled back and listed in all of them at once when one hears that it was refused (%s)', async (name) => {
    const { world, one, two } = await offline();
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    expect(two.store.table('things').has('a')).toBe(true);
    await world.storage.refuse('room', [{ mark: keyOf(id), refusal: MUTED }]);
    world.hub.setAvailable(name, true);
    await world.settle();
    const seen = (tab: ExactTab): unknown[] => [
      tab.store.table('things').has('a'),
      tab.store.status.pending,
      tab.store.rejections.map((each) => each.id),
    ];
    expect([one, two].map(seen)).toEqual([
      [false, 0, [id]],
      [false, 0, [id]],
    ]);
    // It is on disk too: who opens next without a way to the relay shows the same.
    for (const gone of ['a', 'b']) world.net.freeze(gone, true);
    await world.goOffline('c');
    const late = world.open('c');
    await world.pass(1_000);
    expect(seen(late)).toEqual([false, 0, [id]]);
  });

  test('[EX30] and on the disk, though its own tab sleeps: who opens next shows the same', async () => {
    const { world, one } = await offline();
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    world.net.freeze('a', true);
    await world.storage.refuse('room', [{ mark: keyOf(id), refusal: MUTED }]);
    await world.comeBack('b');
    world.net.freeze('b', true);
    await world.goOffline('c');
    const { store } = world.open('c');
    await world.pass(1_000);
    expect([store.table('things').has('a'), store.status.pending, store.rejections.map((each) => each.id)]).toEqual([false, 0, [id]]);
  });

  test('[EX31] is found on the disk by a tab that gets level, though nobody told of it', async () => {
    const world = await createExact(writes);
    const disk = held(world.disk);
    await world.goOffline('a');
    const [one, two] = [world.open('a', { storage: disk.storage }), world.open('b')];
    await world.pass(1_000);
    disk.hold('silently');
    await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    expect(two.store.table('things').has('a')).toBe(false);
    world.hub.setAvailable('b', false);
    world.hub.setAvailable('b', true);
    await world.settle();
    expect([two.store.status.state, two.store.table('things').get('a')]).toEqual(['online', { value: 1 }]);
  });

  test('[EX32] is shown no longer when its record is gone, though nobody told of it', async () => {
    const { world, one, two } = await offline();
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    world.net.freeze('a', true);
    const database = await world.disk.open('alice/room');
    const { replica, counter } = keyOf(id);
    await database.write({ delete: [['outbox', replica, counter]] });
    await world.comeBack('b');
    await world.pass(10_000);
    expect([two.store.table('things').has('a'), two.store.status.pending]).toEqual([false, 0]);
  });

  test('[EX33] is not sent by a tab that another one has taken it over from: the disk says whose it is', async () => {
    const world = await createExact(writes);
    const one = world.open('a');
    await world.settle();
    await world.goOffline('a', 'b');
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    world.net.freeze('a', true);
    const two = world.open('b');
    await world.pass(1_000);
    world.net.freeze('a', false);
    await world.settle();
    await world.comeBack('a');
    expect([one.store.status.state, one.store.table('things').get('a'), await entriesOf(world.storage)]).toEqual([
      'online',
      { value: 1 },
      [],
    ]);
    await world.comeBack('b');
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([id]);
    expect([one, two].map(({ store }) => store.status.pending)).toEqual([0, 0]);
  });
});

describe('bytes of a tab', () => {
  test('[EX41] never stand on what another has pending, which is in its rows alone', async () => {
    const { world, one, two } = await offline();
    await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    expect(two.store.table('things').has('a')).toBe(true);
    const made = await two.store.mutate.act([['things', 'b', 1]]);
    const [states, before] = [collect(two.store.status$), two.line.links.length];
    await world.comeBack('b');
    expect((await provenLog(world.storage)).mutations).toEqual([inLog(made.id)]);
    expect([states.map(({ state }) => state).includes('error'), two.line.links.length - before]).toEqual([false, 1]);
  });
});

describe('a tab that sleeps', () => {
  test('[EX34] loses to one other tab alone what it has pending, of those that wake at once', async () => {
    const world = await createExact(writes);
    await world.goOffline('a', 'b', 'c');
    const one = world.open('a');
    await world.pass(1_000);
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    // Nobody hears anybody: each thinks that it alone is left.
    world.net.hold(true);
    const others = [world.open('b'), world.open('c')];
    await world.pass(1_000);
    await world.comeBack('b', 'c');
    const sent = others.map(({ line }) => line.sent().filter((frame) => frame.type === 'mutate' && frame.id === id).length);
    expect(sent.toSorted()).toEqual([0, 1]);
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([id]);
    expect(others.map(({ store }) => [store.status.state, store.status.pending])).toEqual([
      ['online', 0],
      ['online', 0],
    ]);
  });

  test('[EX35] leaves what it has pending to one that is awake, after some seconds', async () => {
    const world = await createExact(writes);
    await world.goOffline('a', 'b');
    const one = world.open('a');
    await world.pass(1_000);
    const { id } = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    const two = world.open('b');
    await world.pass(1_000);
    world.net.freeze('a', true);
    await world.comeBack('b');
    expect(await entriesOf(world.storage)).toEqual([]);
    await world.pass(10_000);
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([id]);
    expect([two.store.table('things').get('a'), two.store.status.pending]).toEqual([{ value: 1 }, 0]);
  });

  test('[EX35] and so does one that is awake and has no way to the relay, when others wait for it', async () => {
    const { world, one, two } = await offline();
    const first = await one.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    const built = await two.store.mutate.act([['things', 'a', 2]]);
    await world.settle();
    await world.comeBack('b');
    expect(await entriesOf(world.storage)).toEqual([]);
    await world.pass(20_000);
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([first.id, built.id]);
  });

  test('[EX36] hears when it wakes what became of what it had pending: nothing of it is there twice, or sent again', async () => {
    const { world, one, two } = await offline();
    const [refused, kept] = [await one.store.mutate.act([['things', 'a', 1]]), await one.store.mutate.act([['things', 'b', 1]])];
    await world.settle();
    world.net.freeze('a', true);
    await world.storage.refuse('room', [{ mark: keyOf(refused.id), refusal: MUTED }]);
    await world.comeBack('b');
    await world.pass(10_000);
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([kept.id]);
    await two.store.close();
    world.net.freeze('a', false);
    await world.settle();
    expect([one.store.rejections.map(({ id }) => id), one.store.table('things').has('a')]).toEqual([[refused.id], false]);
    await world.comeBack('a');
    expect(one.line.sent().filter((frame) => frame.type === 'mutate')).toEqual([]);
    expect([one.store.status.pending, one.store.table('things').entries()]).toEqual([0, [['b', { value: 1 }]]]);
  });
});

describe('a page of an older version', () => {
  test('[EX37] only reads from the moment in which a newer one opens, and says so', async () => {
    const world = await createExact(writes);
    await world.goOffline('a', 'b');
    const older = world.open('a');
    await world.pass(1_000);
    await older.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    const newer = world.open('b', { schemaVersion: 2 });
    await world.settle();
    expect(older.store.status).toMatchObject({ state: 'error', reason: TOO_OLD });
    await expect(older.store.mutate.act([['things', 'b', 1]])).rejects.toMatchObject(TOO_OLD);
    expect([older, newer].map(({ store }) => store.table('things').entries())).toEqual([[['a', { value: 1 }]], [['a', { value: 1 }]]]);
  });

  test('[EX37] and from its start when a newer one was there before', async () => {
    const world = await createExact(writes);
    await world.goOffline('a', 'b');
    await world.open('b').store.close();
    const newer = world.open('a', { schemaVersion: 2 });
    await world.pass(1_000);
    await newer.store.mutate.act([['things', 'a', 1]]);
    await world.settle();
    await newer.store.close();
    const older = world.open('b');
    await world.pass(1_000);
    expect(older.store.status).toMatchObject({ state: 'error', reason: TOO_OLD });
    await expect(older.store.mutate.act([['things', 'b', 1]])).rejects.toMatchObject(TOO_OLD);
    expect(older.store.table('things').entries()).toEqual([['a', { value: 1 }]]);
  });
});

describe('where there is no relay', () => {
  test('[EX38] a tab that opens gets what it lacks, and gives what others lack', async () => {
    const world = await createExact(writes);
    const apart = { isOwnAuthority: true };
    const own = memoryClientStorage({ durable: true });
    const [one, gone] = [world.open('a', apart), world.open('b', { ...apart, storage: own, isAlone: true })];
    await world.settle();
    const made = [await one.store.mutate.act([['things', 'a', 1]]), await gone.store.mutate.act([['things', 'b', 2]])];
    let confirmed = 0;
    for (const receipt of made) void receipt.confirmed.then(() => (confirmed += 1));
    await world.settle();
    expect(confirmed).toBe(2);
    await gone.store.close();
    const two = world.open('c', { ...apart, storage: own });
    await world.settle();
    const both = [
      ['a', { value: 1 }],
      ['b', { value: 2 }],
    ];
    expect([one, two].map(({ store }) => store.table('things').entries())).toEqual([both, both]);
    expect([one, two].map(({ store }) => store.status.state)).toEqual(['alone', 'alone']);
  });
});

describe('where there is no relay, what is said', () => {
  test('[EX38] is what the other lacks, by state vectors: nothing of what it has', async () => {
    const world = await createExact(writes);
    const apart = { isOwnAuthority: true };
    const one = world.open('a', apart);
    for (let n = 0; n < 20; n++) await one.store.mutate.act([['things', `n${n}`, 'long enough to be seen among the bytes']]);
    await world.settle();
    const said: number[] = [];
    world.net.transport('ear').join('alice/room/alone', (heard) => {
      const { message } = heard as {
        readonly message: { readonly type: string; readonly messages: readonly { readonly bytes: Uint8Array }[] };
      };
      if (message.type === 'sync') said.push(...message.messages.map(({ bytes }) => bytes.length));
    });
    const two = world.open('b', apart);
    await world.settle();
    expect(two.store.table('things').count()).toBe(20);
    expect([said.length > 0, Math.max(...said) < 100]).toEqual([true, true]);
  });
});

describe.each([2, 3, 4, 5])('of %i tabs', (count) => {
  test('[EX39] each shows all that is pending, one sleeps and one closes, and in the end each mutation happened once', async () => {
    const world = await createExact(writes);
    const names = ['a', 'b', 'c', 'd', 'e'].slice(0, count);
    const tabs = names.map((name) => world.open(name));
    await world.settle();
    await world.goOffline(...names);
    const ids: string[] = [];
    for (let round = 0; round < 2; round++) {
      for (const { store } of tabs) {
        ids.push((await store.mutate.count({ id: 'c' })).id);
        await world.settle();
      }
    }
    expect(tabs.map(({ store }) => [store.table('counters').get('c'), store.status.pending])).toEqual(
      tabs.map(() => [{ n: 2 * count }, 2 * count]),
    );
    world.net.freeze('a', true);
    if (count > 2) await tabs[1]!.store.close();
    const awake = count > 2 ? tabs.slice(2) : tabs.slice(1);
    await world.comeBack(...names.slice(count - awake.length));
    await world.pass(60_000);
    expect((await entriesOf(world.storage)).map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    expect(awake.map(({ store }) => [store.table('counters').get('c'), store.status.pending])).toEqual(
      awake.map(() => [{ n: 2 * count }, 0]),
    );
    world.net.freeze('a', false);
    await world.comeBack('a');
    await world.pass(5_000);
    const { store } = tabs[0]!;
    expect([store.table('counters').get('c'), store.status.pending, store.rejections]).toEqual([{ n: 2 * count }, 0, []]);
    expect(await entriesOf(world.storage)).toHaveLength(2 * count);
  });
});
