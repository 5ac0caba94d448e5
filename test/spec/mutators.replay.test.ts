import { runInNewContext } from 'node:vm';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { openRuns } from '../fixtures/open-runs.ts';
import { createWorld, kept, upToDate, type Act } from './support.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const derived: Act = (ctx) => {
  const value = [ctx.newId(), ctx.newId(), ctx.random(), ctx.random(), ctx.now, ctx.mutationId, ctx.userId];
  ctx.table('things').set(ctx.newId(), { value });
};

describe('what a mutator is given', () => {
  test('[MU34] newId is a UUID and random a number in [0, 1), new at each call and in each mutation', async () => {
    const ids: string[] = [];
    const numbers: number[] = [];
    const store = createWorld().openOffline('alice', {
      act(ctx) {
        for (let n = 0; n < 50; n++) ids.push(ctx.newId());
        for (let n = 0; n < 50; n++) numbers.push(ctx.random());
      },
    });
    await store.mutate.act(null);
    await store.mutate.act(null);
    expect(ids.filter((id) => !UUID.test(id))).toEqual([]);
    expect(numbers.filter((number) => number < 0 || number >= 1)).toEqual([]);
    expect([new Set(ids).size, new Set(numbers).size]).toEqual([100, 100]);
  });

  test('[MU35] now, random and newId are the same when a pending mutation runs again after a reload', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const first = world.openOffline('alice', { storage, act: derived });
    const { id } = await first.mutate.act(null);
    const before = first.table('things').entries();
    await first.close();
    let runs = 0;
    const act: Act = (ctx, input) => {
      runs++;
      return derived(ctx, input);
    };
    const second = world.openOffline('alice', { storage, act });
    await second.ready;
    expect(runs).toBe(1);
    expect(second.table('things').entries()).toEqual(before);
    const { value } = first.table('things').first() ?? {};
    expect(value).toMatchObject([
      expect.stringMatching(UUID),
      expect.stringMatching(UUID),
      ...Array(3).fill(expect.any(Number)),
      id,
      'alice',
    ]);
    world.comeBack('alice');
    const bob = world.open('bob');
    await upToDate(world, second, bob);
    expect(bob.table('things').entries()).toEqual(before);
  });

  test('[MU35] a mutation runs again after a reload whatever kind of promise its mutator gives', async () => {
    const later = runInNewContext('(work) => Promise.resolve().then(work)') as (work: () => void) => Promise<void>;
    const act: Act = (ctx) => later(() => ctx.table('counters').set('c', { n: 1 }));
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const first = world.openOffline('alice', { storage, act });
    await first.mutate.act(null);
    expect(first.table('counters').get('c')).toEqual({ n: 1 });
    await first.close();
    const second = world.openOffline('alice', { storage, act });
    await second.ready;
    expect(second.table('counters').get('c')).toEqual({ n: 1 });
    world.comeBack('alice');
    await upToDate(world, second);
    expect([second.table('counters').get('c'), second.rejections]).toEqual([{ n: 1 }, []]);
  });

  test('[MU36] a run that was in vain leaves no trace in what the next one is given', async () => {
    const seen: string[] = [];
    const store = createWorld().openOffline('alice', {
      async act(ctx) {
        seen.push(ctx.newId());
        ctx.table('counters').get('c');
        await (seen.length === 1 ? store.mutate.count({ id: 'c' }) : null);
      },
    });
    await store.ready;
    await store.mutate.act(null);
    expect(seen).toHaveLength(2);
    expect(seen[0]).toBe(seen[1]);
  });
});

describe('enqueueAction', () => {
  test('[MU37 A16 A17] returns the id of a run that the relay queues with the mutation; nothing runs in the tab', async () => {
    const world = createWorld();
    const ids: string[] = [];
    const store = world.openOffline('alice', {
      act(ctx) {
        ids.push(ctx.enqueueAction('answer', { id: 'a' }), ctx.enqueueAction('answer', { id: 'b', tone: 'rude' }));
      },
    });
    const receipt = await store.mutate.act(null);
    expect(await openRuns(world.storage, 'room')).toEqual([]);
    world.comeBack('alice');
    await receipt.confirmed;
    const runs = await openRuns(world.storage, 'room');
    expect(runs.map(({ id, name, input, userId }) => ({ id, name, input: JSON.parse(input) as unknown, userId }))).toEqual([
      { id: ids[0], name: 'answer', input: { id: 'a' }, userId: 'alice' },
      { id: ids[1], name: 'answer', input: { id: 'b', tone: 'rude' }, userId: 'alice' },
    ]);
  });

  test('[MU37 A17] of a mutator that throws queues nothing', async () => {
    const world = createWorld();
    const store = world.open('alice', {
      act(ctx) {
        ctx.enqueueAction('answer', { id: 'a' });
        throw new Error('no');
      },
    });
    await expect(store.mutate.act(null)).rejects.toMatchObject({ code: 'mutation.failed' });
    await kept(store.mutate.count({ id: 'c' }));
    expect(await openRuns(world.storage, 'room')).toEqual([]);
  });

  test('[MU38] refuses an action that was not declared, an input that does not fit, and what is not JSON', async () => {
    const world = createWorld();
    const attempt = (name: string, input: unknown): Promise<unknown> => {
      const store = world.openOffline('alice', { act: (ctx) => void ctx.enqueueAction(name as 'answer', input as { id: string }) });
      return store.mutate.act(null);
    };
    await expect(attempt('nothing', {})).rejects.toMatchObject({ code: 'action.unknown', params: { name: 'nothing' }, httpStatus: 404 });
    await expect(attempt('toString', {})).rejects.toMatchObject({ code: 'action.unknown' });
    await expect(attempt('answer', { id: 7 })).rejects.toMatchObject({
      code: 'action.invalidInput',
      params: { name: 'answer', issues: [{ path: ['id'] }] },
    });
    await expect(attempt('answer', { id: 'a', extra: new Date() })).rejects.toMatchObject({
      code: 'value.notJson',
      params: { path: 'input.extra' },
    });
  });
});
