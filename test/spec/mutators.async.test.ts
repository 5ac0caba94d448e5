import { describe, expect, test } from 'vitest';
import { collect, createGate, createWorld, kept, upToDate, type Act, type Ctx, type Gate } from './support.ts';

/** Reads a counter, waits for a gate of its own, then writes what it read and one more. */
function slowCount(gates: readonly Gate[]): { readonly act: Act; readonly runs: () => number } {
  let runs = 0;
  return {
    runs: () => runs,
    async act(ctx) {
      const gate = gates[runs++];
      const n = ctx.table('counters').get('c')?.n ?? 0;
      await gate?.passed;
      ctx.table('counters').set('c', { n: n + 1 });
    },
  };
}

describe('an async mutator', () => {
  test('[MU29] runs again when what it read has changed while it awaited: two at once both count', async () => {
    const gates = [createGate(), createGate()];
    const { act, runs } = slowCount(gates);
    const store = createWorld().openOffline('alice', { act });
    await store.ready;
    const both = [store.mutate.act(null), store.mutate.act(null)];
    for (const gate of gates) gate.open();
    await Promise.all(both);
    expect(store.table('counters').get('c')).toEqual({ n: 2 });
    expect(runs()).toBe(3);
  });

  test('[MU29] runs again when another store changed what it read', async () => {
    const gate = createGate();
    const { act, runs } = slowCount([gate]);
    const world = createWorld();
    const [alice, bob] = [world.open('alice', { act }), world.open('bob')];
    await upToDate(world, alice, bob);
    const made = alice.mutate.act(null);
    await kept(bob.mutate.count({ id: 'c', by: 10 }));
    await upToDate(world, alice, bob);
    gate.open();
    await kept(made);
    expect(alice.table('counters').get('c')).toEqual({ n: 11 });
    expect(runs()).toBe(2);
  });

  test.each<[string, (ctx: Ctx) => unknown]>([
    ['list', (ctx) => ctx.table('counters').list()],
    ['entries', (ctx) => ctx.table('counters').entries()],
    ['first', (ctx) => ctx.table('counters').first()],
    ['count', (ctx) => ctx.table('counters').count()],
    ['has', (ctx) => ctx.table('counters').has('c')],
    ['get', (ctx) => ctx.table('counters').get('c')],
    ['delete', (ctx) => ctx.table('counters').delete('c')],
  ])('[MU29] runs again for a row that came, whatever it read by: %s', async (_, read) => {
    let runs = 0;
    const gate = createGate();
    const store = createWorld().openOffline('alice', {
      async act(ctx) {
        runs++;
        read(ctx);
        await gate.passed;
      },
    });
    await store.ready;
    const made = store.mutate.act(null);
    await store.mutate.count({ id: 'c' });
    gate.open();
    await made;
    expect(runs).toBe(2);
  });

  test('[MU30] runs once when what changed is not what it read', async () => {
    const gate = createGate();
    const { act, runs } = slowCount([gate]);
    const store = createWorld().openOffline('alice', { act });
    await store.ready;
    const made = store.mutate.act(null);
    await store.mutate.count({ id: 'other' });
    await store.mutate.note({ id: 'c', title: 'of another table' });
    gate.open();
    await made;
    expect(runs()).toBe(1);
  });

  test('[MU31] is given up when what it read never stands still: mutation.contested, and nothing happened', async () => {
    let runs = 0;
    const store = createWorld().openOffline('alice', {
      async act(ctx) {
        runs++;
        ctx.table('counters').set('mine', { n: ctx.table('counters').get('c')?.n ?? 0 });
        await store.mutate.count({ id: 'c' });
      },
    });
    await store.ready;
    await expect(store.mutate.act(null)).rejects.toMatchObject({ code: 'mutation.contested', params: { name: 'act' }, httpStatus: 409 });
    expect(store.table('counters').get('mine')).toBeUndefined();
    expect(store.table('counters').get('c')).toEqual({ n: runs });
  });

  test('[MU32] that ended cannot be written to any more', async () => {
    let late: Ctx | undefined;
    const store = createWorld().openOffline('alice', { act: (ctx) => void (late = ctx) });
    await store.mutate.act(null);
    const counters = late?.table('counters');
    expect(() => counters?.set('c', { n: 1 })).toThrow('act is over');
    expect(() => counters?.update('c', { n: 1 })).toThrow('act is over');
    expect(() => counters?.delete('c')).toThrow('act is over');
    expect(() => counters?.get('c')).toThrow('act is over');
    expect(() => counters?.list()).toThrow('act is over');
    expect(() => late?.enqueueAction('answer', { id: 'a' })).toThrow('act is over');
    expect(store.table('counters').count()).toBe(0);
  });

  test('[MU33] that began earlier and ended later than another is confirmed like any other, and the link stays', async () => {
    const gate = createGate();
    const world = createWorld();
    const store = world.open('alice', {
      async act(ctx) {
        await gate.passed;
        ctx.table('counters').set('slow', { n: 1 });
      },
    });
    await store.synced;
    const states = collect(store.status$);
    const slow = store.mutate.act(null);
    const quick = store.mutate.count({ id: 'quick' });
    await kept(quick);
    gate.open();
    await kept(slow);
    await kept(store.mutate.count({ id: 'quick' }));
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['online']));
    expect(
      store
        .table('counters')
        .entries()
        .map(([key, { n }]) => [key, n]),
    ).toEqual([
      ['quick', 2],
      ['slow', 1],
    ]);
  });
});
