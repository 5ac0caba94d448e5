import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { config, type Observable } from 'rxjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { failingStorage } from './faults.ts';
import { collect, createGate, createWorld, kept, level, mutatorsWith, rowsOf, schema, turns, upToDate, when } from './support.ts';

describe('a store', () => {
  test('[ST16] that was closed refuses mutations; what was pending is there at the next open', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const store = world.openOffline('alice', { storage });
    const receipt = await store.mutate.note({ id: 'a', title: 'A' });
    await store.close();
    await expect(store.mutate.note({ id: 'b', title: 'B' })).rejects.toMatchObject({ code: 'store.closed' });
    await expect(receipt.confirmed).rejects.toMatchObject({ code: 'store.closed' });
    await receipt.stored;
    expect(store.close()).toBe(store.close());
    const again = world.openOffline('alice', { storage });
    await again.ready;
    expect(again.table('notes').list()).toEqual([{ id: 'a', title: 'A', stars: 0 }]);
    expect(again.status.pending).toBe(1);
    const bob = world.open('bob');
    world.comeBack('alice');
    await upToDate(world, again, bob);
    expect(bob.table('notes').list()).toEqual([{ id: 'a', title: 'A', stars: 0 }]);
  });

  test('[ST16] that is closed while a mutator awaits takes nothing of it', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const gate = createGate();
    const store = world.openOffline('alice', {
      storage,
      async act(ctx) {
        await gate.passed;
        ctx.table('counters').set('c', { n: 1 });
      },
    });
    await store.ready;
    const made = store.mutate.act(null);
    const closed = store.close();
    gate.open();
    await expect(made).rejects.toMatchObject({ code: 'store.closed' });
    await closed;
    const again = world.openOffline('alice', { storage });
    await again.ready;
    expect([again.status.pending, again.table('counters').count()]).toEqual([0, 0]);
  });

  test('[ST16] can be closed while it loads; mutations that wait reject', async () => {
    const store = createWorld().open('alice');
    const made = store.mutate.count({ id: 'c' });
    const closed = store.close();
    await expect(made).rejects.toMatchObject({ code: 'store.closed' });
    await closed;
    await expect(store.synced).rejects.toMatchObject({ code: 'store.closed' });
    expect(store.status.state).toBe('closed');
  });

  test('[ST17] of another user on the same device has rows and pending mutations of its own', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const alice = world.openOffline('alice', { storage });
    await alice.mutate.note({ id: 'a', title: 'by alice' });
    await alice.close();
    const bob = world.openOffline('bob', { storage });
    await bob.ready;
    expect([bob.table('notes').count(), bob.status.pending]).toEqual([0, 0]);
  });

  test('[ST18] without a user writes as a stable one of its device', async () => {
    const world = createWorld();
    const storage = memoryClientStorage({ durable: true });
    const users: string[] = [];
    for (let open = 0; open < 2; open++) {
      const mutators = mutatorsWith((ctx) => void users.push(ctx.userId));
      const store = createStore({ schema, mutators, room: 'room', storage, transports: [world.hub.transport()] });
      await kept(store.mutate.act(null));
      await store.close();
    }
    expect(users[0]).toMatch(/^device-\w+$/);
    expect(users.every((user) => user === users[0])).toBe(true);
  });

  test('[ST19] goes on when an observer throws', async () => {
    const thrown: unknown[] = [];
    const before = config.onUnhandledError;
    config.onUnhandledError = (error) => thrown.push(error);
    onTestFinished(() => void (config.onUnhandledError = before));
    const world = createWorld();
    const store = world.open('alice');
    let calls = 0;
    const explode = (): never => {
      calls++;
      throw new Error('boom');
    };
    const { rows$, changes$, row$ } = store.table('notes');
    const exploding = [rows$, changes$, row$('a'), store.status$].map((source: Observable<unknown>) => source.subscribe(explode));
    const lists = collect(store.table('notes').rows$);
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    await kept(store.mutate.note({ id: 'b', title: 'B' }));
    await level(store);
    expect(lists.at(-1)).toHaveLength(2);
    for (const subscription of exploding) subscription.unsubscribe();
    await expect.poll(() => thrown.length).toBe(calls);
    expect(calls).toBeGreaterThanOrEqual(4);
  });

  test('[ST20] raises no unhandledrejection for what nobody awaits', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    const world = createWorld();
    const full = failingStorage();
    const store = world.openOffline('alice', { storage: full.storage });
    await store.ready;
    full.fail();
    await store.mutate.note({ id: 'a', title: 'A' });
    await store.close();
    const broken = world.openOffline('bob', { storage: { open: () => Promise.reject(new Error('no disk')) } });
    await broken.mutate.note({ id: 'a', title: 'A' });
    await broken.close();
    await turns(5);
    expect(unhandled).toEqual([]);
  });

  test('[ST21] whose device cannot write any more says so and works on in memory', async () => {
    const world = createWorld();
    const full = failingStorage();
    const [alice, bob] = [world.open('alice', { storage: full.storage }), world.open('bob')];
    await upToDate(world, alice, bob);
    full.fail();
    const receipt = await alice.mutate.note({ id: 'a', title: 'A' });
    await expect(receipt.stored).rejects.toMatchObject({ code: 'storage.quota' });
    expect(alice.status).toMatchObject({ durable: false, reason: { code: 'storage.quota' } });
    await receipt.confirmed;
    await upToDate(world, alice, bob);
    await kept(bob.mutate.edit({ id: 'a', title: 'A2' }));
    world.comeBack('alice');
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(alice.status.state).toBe('online');
  });

  test('[ST22] whose token cannot be had tries again, and says why', async () => {
    let asked = 0;
    const world = createWorld();
    const store = world.open('alice', {
      token() {
        if (++asked === 1) throw new Error('the session is over');
        return 'token';
      },
    });
    const { reason } = await when(store.status$, (status) => status.reason !== undefined);
    expect([reason?.code, store.status.state]).toEqual(['auth.required', 'needs-auth']);
    await store.synced;
    expect([asked, store.status.state]).toEqual([2, 'online']);
  });
});
