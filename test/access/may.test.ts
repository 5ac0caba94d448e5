import { createTestCluster, type TestCluster } from 'cotable/testing';
import * as encoding from 'lib0/encoding';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RoomRights } from 'cotable/relay';
import { collect, createGate, kept, mutatorsWith, schema, when, type S } from '../spec/support.ts';
import { frame, greet, mutate, rawLink, TYPES, update } from '../wire/raw-link.ts';
import { byName, device, openHouse, type Hooks } from './scene.ts';

/** Everybody is who their token says, and may do what stands in `rights`, or write. */
function withRights(rights: { [userId: string]: RoomRights }): Hooks {
  return { authenticate: byName, authorize: ({ userId }) => rights[userId] ?? 'write' };
}

describe('what a user may do in a room', () => {
  test.each<[string, Hooks['authorize']]>([
    ['none', () => 'none'],
    ['a throw', () => Promise.reject(new Error('no database'))],
    ['what is no answer', () => 'admin' as RoomRights],
  ])('[AU11] %s keeps a user out: the state is denied, and the outbox is kept', async (_, authorize) => {
    const { open } = openHouse({ authenticate: byName, authorize });
    const store = open({ token: () => 'alice' });
    const { confirmed } = await store.mutate.note({ id: 'a', title: 'A' });
    void confirmed.catch(() => undefined);
    const { state, reason } = await when(store.status$, (status) => status.reason !== undefined);
    expect(state).toBe('denied');
    expect(reason).toMatchObject({ code: 'auth.forbidden', params: { room: 'room' }, httpStatus: 403 });
    expect(store.outbox).toHaveLength(1);
  });

  test('[AU11] who is let in later goes on by itself', async () => {
    const rights: { [userId: string]: RoomRights } = { alice: 'none' };
    const { open } = openHouse(withRights(rights));
    const store = open({ token: () => 'alice' });
    const { confirmed } = await store.mutate.note({ id: 'a', title: 'A' });
    await when(store.status$, ({ state }) => state === 'denied');
    rights['alice'] = 'write';
    await confirmed;
    expect(store.status.state).toBe('online');
  });

  test('[AU12] a reader gets everything; what it writes or asks for is refused at once, and nothing is queued', async () => {
    const { open } = openHouse(withRights({ reader: 'read' }));
    const alice = open({ token: () => 'alice' });
    await kept(alice.mutate.note({ id: 'before', title: 'Before' }));
    const reader = open({ token: () => 'reader', line: 'reader' });
    await reader.synced;
    expect(reader.table('notes').count()).toBe(1);
    const forbidden = { code: 'auth.forbidden', params: { room: 'room' } };
    await expect(reader.mutate.note({ id: 'mine', title: 'Mine' })).rejects.toMatchObject(forbidden);
    expect(reader.status.mayWrite).toBe(false);
    expect(() => reader.action.answer({ id: 'before' })).toThrow(expect.objectContaining(forbidden));
    expect([reader.outbox, reader.status.pending, reader.table('notes').has('mine')]).toEqual([[], 0, false]);
    await kept(alice.mutate.note({ id: 'after', title: 'After' }));
    await when(reader.table('notes').row$('after'), ({ row }) => row !== undefined);
  });

  test('[AU12] a reader is one offline too, after the page was loaded again', async () => {
    const { open } = openHouse(withRights({ reader: 'read' }));
    const storage = device();
    const first = open({ token: () => 'reader', storage });
    await first.synced;
    await first.close();
    const again = open({ token: () => new Promise<string>(() => undefined), storage, line: 'other' });
    await again.ready;
    await expect(again.mutate.note({ id: 'mine', title: 'Mine' })).rejects.toMatchObject({ code: 'auth.forbidden' });
  });

  test('[AU13] what a reader sends all the same is refused, and nobody else sees it', async () => {
    const relay = createRelay({
      backend: { schema, mutators: mutatorsWith(), actions: { answer: async () => ({ text: '' }) }, ...withRights({ eve: 'read' }) },
      storage: memoryRelayStorage(),
    });
    onTestFinished(() => relay.close());
    const { url } = await relay.listen();
    const link = await rawLink(url, { authorization: 'Bearer eve' });
    const room = await greet(link);
    const cell = { a: [room.now * 1024, { id: 'a', title: 'A', stars: 0 }] };
    link.send(mutate({ ...room, clock: room.now * 1024, name: 'note', updates: [['notes', update(cell)]] }));
    await vi.waitUntil(() => link.bodies(TYPES.outcome).length > 0);
    expect(link.bodies(TYPES.entries)).toEqual([]);
    // The seq of the outcome is 0, and the code follows: lineage, epoch, replica, counter, then that.
    expect(new TextDecoder().decode(link.bodies(TYPES.outcome)[0]?.arr)).toContain('auth.forbidden');
    const call = 4;
    const run = 22;
    link.send(
      frame(call, (out) => {
        for (const text of ['7-1:0', 'answer', '{"id":"a"}', '']) encoding.writeVarString(out, text);
        encoding.writeVarUint(out, 0);
      }),
    );
    await vi.waitUntil(() => link.bodies(run).length > 0);
    expect(new TextDecoder().decode(link.bodies(run)[0]?.arr)).toMatch(/7-1:0.*"status":"failed".*auth\.forbidden/s);
  });

  test('[AU13] what was pending when the right to write ended becomes rejections', async () => {
    const rights: { [userId: string]: RoomRights } = {};
    const { open, hub } = openHouse(withRights(rights));
    const store = open({ token: () => 'alice' });
    await store.synced;
    hub.setAvailable('line', false);
    hub.cut('line');
    await when(store.status$, ({ state }) => state === 'offline');
    const { confirmed } = await store.mutate.note({ id: 'a', title: 'A' });
    rights['alice'] = 'read';
    hub.setAvailable('line', true);
    await expect(confirmed).rejects.toMatchObject({ code: 'auth.forbidden' });
    await when(store.rejections$, (list) => list.length === 1);
    expect([store.table('notes').count(), store.status.pending]).toEqual([0, 0]);
  });

  test('[AU14] recheck closes who may do nothing any more and tells others what has changed, in its room alone', async () => {
    const rights: { [userId: string]: RoomRights } = { alice: 'write', bob: 'write', carol: 'read' };
    const { open, relay } = openHouse(withRights(rights));
    const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((user) => open({ token: () => user, line: user }));
    if (!alice || !bob || !carol) throw new Error('three stores');
    await Promise.all([alice.synced, bob.synced, carol.synced]);
    const states = collect(bob.status$);
    Object.assign(rights, { alice: 'none', bob: 'read', carol: 'write' });
    await relay.recheck('another room');
    await kept(alice.mutate.note({ id: 'still', title: 'Still' }));
    await relay.recheck('room');
    expect((await when(alice.status$, ({ state }) => state === 'denied')).reason?.code).toBe('auth.forbidden');
    await when(bob.status$, ({ mayWrite }) => !mayWrite);
    await expect(bob.mutate.note({ id: 'b', title: 'B' })).rejects.toMatchObject({ code: 'auth.forbidden' });
    await when(carol.status$, ({ mayWrite }) => mayWrite);
    await kept(carol.mutate.note({ id: 'c', title: 'C' }));
    await when(bob.table('notes').row$('c'), ({ row }) => row !== undefined);
    // Its link has not been closed for that.
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['online']));
  });

  test('[AU15] revoke closes the links of that user alone, with auth.revoked', async () => {
    const known = new Set(['alice', 'bob']);
    const { open, relay } = openHouse({ authenticate: ({ token }) => (token && known.has(token) ? { userId: token } : null) });
    const [tab, other, bob] = [
      open({ token: () => 'alice' }),
      open({ token: () => 'alice', line: '2' }),
      open({ token: () => 'bob', line: 'bob' }),
    ];
    await Promise.all([tab.synced, other.synced, bob.synced]);
    const states = collect(bob.status$);
    const seen = [collect(tab.status$), collect(other.status$)];
    known.delete('alice');
    relay.revoke('alice');
    for (const statuses of seen) {
      await vi.waitFor(() => expect(statuses.map(({ state, reason }) => `${state} ${reason?.code}`)).toContain('denied auth.revoked'));
      await vi.waitFor(() => expect(statuses.at(-1)?.reason?.code).toBe('auth.expired'), 3_000);
    }
    await kept(bob.mutate.note({ id: 'b', title: 'B' }));
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['online']));
  });

  test('[AU15] what was being asked about a user when it was revoked does not let it in', async () => {
    const gate = createGate();
    let asked = 0;
    const { open, relay } = openHouse({
      async authenticate() {
        if (++asked === 1) await gate.passed;
        return asked === 1 ? { userId: 'alice' } : null;
      },
    });
    const store = open({ token: () => 'alice' });
    await vi.waitUntil(() => asked === 1);
    relay.revoke('alice');
    gate.open();
    expect((await when(store.status$, ({ reason }) => reason !== undefined)).reason?.code).toBe('auth.revoked');
  });
});

describe('a token that ends', () => {
  test('[AU16] is followed by a fresh one over the same link, hour after hour', async () => {
    const hour = 3_600_000;
    let asked = 0;
    const cluster: TestCluster<S> = await createTestCluster({
      backend: {
        schema,
        mutators: mutatorsWith(),
        authenticate({ token }) {
          asked += 1;
          const [userId = '', until] = (token ?? '').split(' ');
          return Number(until) > cluster.clock.now() ? { userId, expiresAt: Number(until) } : null;
        },
      },
    });
    const store = await cluster.store({ userId: 'alice', token: () => `alice ${cluster.clock.now() + hour}` });
    await cluster.settle();
    const states = collect(store.status$);
    await cluster.clock.advance(24 * hour);
    void store.mutate.note({ id: 'a', title: 'A' });
    await cluster.settle();
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['online']));
    // Half a minute before each end, and once for the greeting.
    expect(asked).toBe(25);
    await cluster.close();
  });

  test('[AU17] closes the link with auth.expired when no fresh one comes, and the store goes on with the next', async () => {
    let asked = 0;
    const { open } = openHouse({
      authenticate({ token }) {
        const [userId = '', until] = (token ?? '').split(' ');
        return Number(until) > Date.now() ? { userId, expiresAt: Number(until) } : null;
      },
    });
    const store = open({
      // The second one is asked for while the link stands, and is not to be had.
      token: () => {
        if (++asked === 2) throw new Error('later');
        return `alice ${Date.now() + 300}`;
      },
    });
    await store.synced;
    const states = collect(store.status$);
    await vi.waitFor(() => expect(states.map(({ reason }) => reason?.code)).toContain('auth.expired'));
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
  });

  test('[AU18] cannot be followed by one of another user', async () => {
    let asked = 0;
    const { open } = openHouse({ authenticate: ({ token }) => ({ userId: token ?? '', expiresAt: Date.now() + 1_500 }) });
    const store = open({ token: () => (++asked === 1 ? 'alice' : 'bob') });
    await store.synced;
    const { reason } = await when(store.status$, (status) => status.state === 'denied');
    expect(reason).toMatchObject({ code: 'auth.otherUser', params: { claimed: 'alice', authenticated: 'bob' } });
  });
});
