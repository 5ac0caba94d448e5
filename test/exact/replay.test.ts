import { describe, expect, test, vi } from 'vitest';
import { keyOf } from '../spec/faults.ts';
import { createGate, type Act, type TestStore } from '../spec/support.ts';
import { writes } from '../tabs/watch.ts';
import { createExact, type Exact, type ExactTab } from './scene.ts';
import { entriesOf } from './wire.ts';

const MUTED = { code: 'chat.muted', params: {} };
/** So long that no two clocks are near each other. */
const LATER = 3_000;

function refuse(world: Exact, { id }: { readonly id: string }): Promise<void> {
  return world.storage.refuse('room', [{ mark: keyOf(id), refusal: MUTED }]);
}

/** Alice is offline with a mutation that will be refused, so that all behind it runs again when she comes back; bob is online. */
async function apart(
  act: Act = writes,
  first?: (bob: TestStore) => Promise<unknown>,
): Promise<{ world: Exact; alice: ExactTab; bob: ExactTab }> {
  const world = await createExact(act);
  const [alice, bob] = [world.open('a'), world.open('bob', { userId: 'bob' })];
  await world.settle();
  await first?.(bob.store);
  await world.settle();
  await world.goOffline('a');
  await refuse(world, await alice.store.mutate.note({ id: 'refused', title: 'refused' }));
  return { world, alice, bob };
}

describe('a replay at a start, before the relay was asked', () => {
  test.each([true, false])(
    '[EX15] keeps what throws, and runs it again when the relay has answered (without other tabs: %s)',
    async (isAlone) => {
      let isBroken = false;
      const world = await createExact((ctx) => {
        if (isBroken) throw new Error('not now');
        ctx.table('things').set('a', { value: 1 });
      });
      await world.goOffline('a', 'b');
      const first = world.open('a', { isAlone });
      await world.pass(1_000);
      const { id } = await first.store.mutate.act(null);
      await world.settle();
      await first.store.close();
      isBroken = true;
      const { store } = world.open('b', { isAlone });
      await world.pass(1_000);
      expect([store.status.pending, store.rejections, store.table('things').count()]).toEqual([1, [], 0]);
      isBroken = false;
      await world.comeBack('b');
      expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([id]);
      expect([store.status.pending, store.rejections, store.table('things').get('a')]).toEqual([0, [], { value: 1 }]);
    },
  );

  test.each([true, false])(
    '[EX16] is judged when the relay has answered: what throws then is rejected (been online: %s)',
    async (hasBeen) => {
      let isBroken = false;
      const world = await createExact((ctx) => {
        if (isBroken) throw new Error('never again');
        ctx.table('things').set('a', { value: 1 });
      });
      if (!hasBeen) await world.goOffline('a');
      const first = world.open('a');
      await world.pass(1_000);
      await world.goOffline('a', 'b');
      const { id } = await first.store.mutate.act(null);
      await world.settle();
      await first.store.close();
      isBroken = true;
      const { store } = world.open('b');
      await world.pass(1_000);
      await world.comeBack('b');
      expect(store.rejections.map((rejection) => [rejection.id, rejection.error.code])).toEqual([[id, 'mutation.failed']]);
      expect([store.status.pending, store.status.state]).toEqual([0, 'online']);
    },
  );
});

describe('a mutation that runs again', () => {
  test('[EX17] keeps its clock: what was written later elsewhere stands', async () => {
    const { world, alice, bob } = await apart();
    const { id } = await alice.store.mutate.act([['things', 'a', 'earlier']]);
    await world.pass(LATER);
    await bob.store.mutate.act([['things', 'b', 1]]);
    await world.pass(LATER);
    await bob.store.mutate.act([['things', 'a', 'later']]);
    await world.pass(LATER);
    await world.comeBack('a');
    expect([alice, bob].map(({ store }) => store.table('things').get('a'))).toEqual([{ value: 'later' }, { value: 'later' }]);
    const clocks = (await entriesOf(world.storage)).map((entry) => [entry.id === id, entry.clock] as const).toSorted((a, b) => a[1] - b[1]);
    expect(clocks.map(([isHers]) => isHers)).toEqual([true, false, false]);
  });

  test('[EX18] gets a clock above what it reads: what is built on a later value stands', async () => {
    const { world, alice, bob } = await apart();
    await alice.store.mutate.count({ id: 'c' });
    await world.pass(LATER);
    await bob.store.mutate.count({ id: 'c', by: 10 });
    await world.comeBack('a');
    expect([alice, bob].map(({ store }) => store.table('counters').get('c'))).toEqual([{ n: 11 }, { n: 11 }]);
  });

  test('[EX18] and above all rows of a list that it reads', async () => {
    const { world, alice, bob } = await apart((ctx, input) => {
      if (input !== 'sum') return writes(ctx, input);
      const sum = ctx.table('things').list().length;
      ctx.table('things').set('sum', { value: sum });
    });
    await alice.store.mutate.act('sum');
    await world.pass(LATER);
    await bob.store.mutate.act([['things', 'sum', 'not known']]);
    await world.comeBack('a');
    expect([alice, bob].map(({ store }) => store.table('things').get('sum'))).toEqual([{ value: 1 }, { value: 1 }]);
  });

  test('[EX19] gets a clock above what is pending on its device and what it writes over: the last one made stands', async () => {
    const { world, alice, bob } = await apart((ctx, input) => {
      if (input !== 'read') return writes(ctx, input);
      ctx.table('things').get('read');
      ctx.table('things').set('a', { value: 'first' });
    });
    await alice.store.mutate.act('read');
    await alice.store.mutate.act([['things', 'a', 'second']]);
    await world.pass(LATER);
    await bob.store.mutate.act([['things', 'read', 1]]);
    await world.comeBack('a');
    expect([alice, bob].map(({ store }) => store.table('things').get('a'))).toEqual([{ value: 'second' }, { value: 'second' }]);
  });

  test.each([
    ['a field', 'later'],
    ['a row', undefined],
  ])('[EX20] writes nothing where what stands is later and it did not read it (%s)', async (_, value) => {
    const { world, alice, bob } = await apart(writes, (store) => store.mutate.act([['things', 'a', 'old']]));
    const { id } = await alice.store.mutate.act([['things', 'a', 'earlier']]);
    await world.pass(LATER);
    await bob.store.mutate.act([['things', 'a', ...(value ? [value] : [])]]);
    await world.comeBack('a');
    const entry = (await entriesOf(world.storage)).find((found) => found.id === id);
    expect(entry).toMatchObject({ writes: 0 });
    const standing = value && { value };
    expect([alice, bob].map(({ store }) => store.table('things').get('a'))).toEqual([standing, standing]);
  });
});

describe('a relay whose clock has stepped back', () => {
  test.each(['has never gone', 'starts anew, and sends a snapshot'])(
    '[EX43] takes what was written later than what it has: nothing of it is lost (%s)',
    async (how) => {
      const world = await createExact(writes);
      const [alice, bob] = [world.open('a'), world.open('bob', { userId: 'bob' })];
      await world.settle();
      await bob.store.mutate.act([['things', 'a', 'earlier']]);
      await world.settle();
      await world.goOffline('a', 'bob');
      await world.pass(LATER);
      await alice.store.mutate.act([['things', 'a', 'later']]);
      await world.settle();
      vi.setSystemTime(Date.now() - 3_600_000);
      if (how === 'has never gone') await world.comeBack('a');
      else {
        await alice.store.close();
        await world.fill();
        await world.forget();
        await world.restart();
        world.open('again');
        await world.pass(5_000);
      }
      await world.comeBack('bob');
      await world.pass(60_000);
      expect(bob.store.table('things').get('a')).toEqual({ value: 'later' });
    },
  );
});

describe('tabs that run again what they have pending', () => {
  /** Both are offline, and know each other. */
  async function tabs(acts: readonly (Act | undefined)[] = []): Promise<{ world: Exact; one: ExactTab; two: ExactTab }> {
    const world = await createExact(writes);
    const [one, two] = [world.open('a', { act: acts[0] }), world.open('b', { act: acts[1] })];
    await world.settle();
    await world.goOffline('a', 'b');
    return { world, one, two };
  }

  test('[EX21] find what was made before it in other tabs, and nothing of what was made later', async () => {
    const look: Act = (ctx, input) =>
      input === 'look' ? ctx.table('records').set('seen', { things: ctx.table('things').list().length }) : writes(ctx, input);
    const { world, one, two } = await tabs([look, look]);
    await two.store.mutate.act([['things', 'before', 1]]);
    await world.settle();
    await refuse(world, await one.store.mutate.note({ id: 'refused', title: 'refused' }));
    await one.store.mutate.act('look');
    await world.settle();
    await two.store.mutate.act([['things', 'after', 1]]);
    await world.settle();
    await world.comeBack('a');
    expect([one.store.table('notes').count(), one.store.table('records').get('seen')]).toEqual([0, { things: 1 }]);
  });

  test.each([
    ['what it was built on came out the same', [['things', 'p', 1]], 'p'],
    ['what changed it has not read', 'count', 'other'],
  ])('[EX22] leave alone what is pending elsewhere when %s', async (_, made, read) => {
    let runs = 0;
    const counting: Act = (ctx) => {
      runs += 1;
      ctx.table('records').set('read', { has: ctx.table('things').has(read) });
    };
    const { world, one, two } = await tabs([undefined, counting]);
    await refuse(world, await one.store.mutate.count({ id: 'c' }));
    await (made === 'count' ? one.store.mutate.count({ id: 'c' }) : one.store.mutate.act(made));
    await world.settle();
    await two.store.mutate.act(null);
    await world.comeBack('a');
    expect(one.store.rejections).toHaveLength(1);
    expect(runs).toBe(1);
  });

  test('[EX23] have what was built on it elsewhere run again at once when it came out otherwise', async () => {
    const follow: Act = (ctx, from) => {
      const found = from === 'note' ? ctx.table('notes').has('refused') : ctx.table('things').get('note')?.value;
      ctx.table('things').set(from === 'note' ? 'note' : 'copy', { value: found ?? null });
    };
    const { world, one, two } = await tabs([follow, follow]);
    await refuse(world, await one.store.mutate.note({ id: 'refused', title: 'refused' }));
    await one.store.mutate.act('note');
    await world.settle();
    await two.store.mutate.act('copy');
    await world.settle();
    expect(one.store.table('things').get('copy')).toEqual({ value: true });
    world.hub.setAvailable('a', true);
    await world.settle();
    expect([one, two].map(({ store }) => store.table('things').get('copy'))).toEqual([{ value: false }, { value: false }]);
  });

  test('[EX24] end one replay before they begin the next, whatever they hear meanwhile', async () => {
    let active = 0;
    const seen: number[] = [];
    const gates: ReturnType<typeof createGate>[] = [];
    const slow: Act = async (ctx) => {
      seen.push(++active);
      const before = ctx.table('counters').get('c')?.n ?? 0;
      await gates[0]?.passed;
      active -= 1;
      ctx.table('counters').set('c', { n: before + 100 });
    };
    const { world, one, two } = await tabs([undefined, slow]);
    await refuse(world, await one.store.mutate.count({ id: 'c' }));
    await one.store.mutate.count({ id: 'c', by: 10 });
    await world.settle();
    await two.store.mutate.act(null);
    await world.settle();
    expect([seen, two.store.table('counters').get('c')]).toEqual([[1], { n: 111 }]);
    const gate = createGate();
    gates.push(gate);
    // It is told first that the one was refused, and then what became of the other.
    await world.comeBack('a');
    expect(seen).toEqual([1, 1]);
    gate.open();
    await world.settle();
    expect([Math.max(...seen), active, two.store.table('counters').get('c')]).toEqual([1, 0, { n: 110 }]);
  });
});
