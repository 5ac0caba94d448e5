import { defineSchema, table } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { createGate, kept, mutatorsWith, schema, when, type Act } from '../spec/support.ts';
import { frame, greet, hello, rawLink, TYPES } from '../wire/raw-link.ts';
import { byName, device, openHouse, type Hooks } from './scene.ts';

/** Writes who made the mutation. */
const sign: Act = (ctx, input) => ctx.table('things').set(String(input), { value: ctx.userId });

describe('who calls', () => {
  test('[AU1] is who authenticate says, on the relay and on the device, whatever the store calls itself', async () => {
    const { open } = openHouse({ authenticate: byName });
    const storage = device();
    const store = open({ token: () => 'alice', act: sign, storage });
    await store.synced;
    await kept(store.mutate.act('first'));
    expect(store.table('things').get('first')).toEqual({ value: 'alice' });
    await store.close();
    const again = open({ token: () => new Promise<string>(() => undefined), act: sign, storage, line: 'other' });
    await again.mutate.act('offline');
    expect(again.table('things').get('offline')).toEqual({ value: 'alice' });
  });

  test.each<[string, Hooks['authenticate'], string]>([
    ['null without a token', () => null, 'auth.required'],
    ['a throw without a token', () => Promise.reject(new Error('no database')), 'auth.required'],
    ['no user', () => ({ userId: '' }), 'auth.required'],
    ['the relay’s own user', () => ({ userId: 'system' }), 'auth.required'],
    ['what is over', () => ({ userId: 'alice', expiresAt: 1 }), 'auth.expired'],
  ])('[AU2] %s lets nobody in: the state is needs-auth', async (_, authenticate, code) => {
    const { open } = openHouse({ authenticate });
    const store = open({});
    const { state, reason } = await when(store.status$, (status) => status.reason !== undefined);
    expect([state, reason?.code, reason?.httpStatus]).toEqual(['needs-auth', code, 401]);
  });

  test('[AU2] a token that is not taken is asked for again, the outbox waits, and goes when one is', async () => {
    const { open } = openHouse({ authenticate: ({ token }) => (token === 'good' ? { userId: 'alice' } : null) });
    let asked = 0;
    const store = open({ token: () => (++asked < 3 ? 'bad' : 'good') });
    const { confirmed } = await store.mutate.note({ id: 'a', title: 'A' });
    const { reason } = await when(store.status$, ({ state }) => state === 'needs-auth');
    expect([reason?.code, store.status.pending]).toEqual(['auth.expired', 1]);
    await confirmed;
    expect([asked, store.status.state, store.status.reason]).toEqual([3, 'online', undefined]);
  });

  test('[AU3] a userId that is not the authenticated one is refused, and nothing of the store is taken', async () => {
    const { open, relay } = openHouse({ authenticate: byName });
    const store = open({ token: () => 'mallory', userId: 'alice' });
    await store.mutate.note({ id: 'a', title: 'A' });
    const { state, reason } = await when(store.status$, (status) => status.reason !== undefined);
    expect(state).toBe('denied');
    expect(reason).toMatchObject({ code: 'auth.otherUser', params: { claimed: 'alice', authenticated: 'mallory' }, httpStatus: 403 });
    const bob = open({ token: () => 'bob', userId: 'bob', line: 'bob' });
    await relay.mutate('room', 'count', { id: 'mark' });
    await when(bob.table('counters').row$('mark'), ({ row }) => row !== undefined);
    expect(bob.table('notes').count()).toBe(0);
    expect(store.status.pending).toBe(1);
  });

  test('[AU4] without authenticate the relay says so loudly, and takes the store’s word', async () => {
    const { open, log } = openHouse({});
    expect(log).toMatchObject([{ level: 'warn', message: expect.stringContaining('DEVELOPMENT MODE') }]);
    const store = open({ userId: 'alice', act: sign });
    await kept(store.mutate.act('mine'));
    expect(store.table('things').get('mine')).toEqual({ value: 'alice' });
  });

  test('[AU5] what one user has pending is never sent as another’s: the next user is denied, and the first one goes on', async () => {
    let token = 'alice';
    const { open, hub } = openHouse({ authenticate: byName });
    const storage = device();
    const alice = open({ token: () => token, act: sign, storage });
    await alice.synced;
    hub.setAvailable('line', false);
    hub.cut('line');
    await when(alice.status$, ({ state }) => state === 'offline');
    await alice.mutate.act('late');
    await alice.close();

    token = 'bob';
    hub.setAvailable('line', true);
    const bob = open({ token: () => token, act: sign, storage });
    const { state, reason } = await when(bob.status$, (status) => status.reason !== undefined);
    expect([state, reason?.code, reason?.params]).toEqual(['denied', 'auth.otherUser', { claimed: 'alice', authenticated: 'bob' }]);
    expect(bob.outbox).toHaveLength(1);

    token = 'alice';
    await when(bob.status$, (status) => status.state === 'online' && status.pending === 0);
    const witness = open({ token: () => 'witness', line: 'witness' });
    await witness.synced;
    expect(witness.table('things').get('late')).toEqual({ value: 'alice' });
  });

  test('[AU5] what was asked for as one user while another is let in is not asked for as that one', async () => {
    let token = 'alice';
    const gate = createGate();
    const users: string[] = [];
    const { open } = openHouse({
      async authenticate(handshake) {
        users.push(handshake.token ?? '');
        if (handshake.token === 'bob') await gate.passed;
        return byName(handshake);
      },
    });
    const storage = device();
    const alice = open({ token: () => token, storage });
    await alice.synced;
    await alice.close();
    token = 'bob';
    const bob = open({ token: () => token, storage });
    await vi.waitUntil(() => users.includes('bob'));
    const run = bob.action.answer({ id: 'a' });
    gate.open();
    const { reason } = await when(bob.status$, ({ state }) => state === 'denied');
    expect([reason?.code, run.status]).toEqual(['auth.otherUser', 'pending']);
  });

  test('[AU5] with nothing pending another user goes on with what the device holds', async () => {
    let token = 'alice';
    const { open } = openHouse({ authenticate: byName });
    const storage = device();
    const alice = open({ token: () => token, act: sign, storage });
    await kept(alice.mutate.act('first'));
    await alice.close();
    token = 'bob';
    const bob = open({ token: () => token, act: sign, storage });
    await bob.synced;
    await kept(bob.mutate.act('second'));
    expect(bob.table('things').list()).toEqual([{ value: 'alice' }, { value: 'bob' }]);
  });

  test('[AU6] what a device wrote before anybody was known is that of the first user, in its rows too', async () => {
    const { open, hub } = openHouse({ authenticate: byName });
    hub.setAvailable('line', false);
    const store = open({ token: () => 'alice', act: sign });
    await store.mutate.act('early');
    expect(store.table('things').get('early')?.value).toMatch(/^device-/);
    hub.setAvailable('line', true);
    await when(store.status$, ({ state, pending }) => state === 'online' && pending === 0);
    expect(store.table('things').get('early')).toEqual({ value: 'alice' });
    const witness = open({ token: () => 'witness', line: 'witness' });
    await witness.synced;
    expect(witness.table('things').list()).toEqual([{ value: 'alice' }]);
  });

  test('[AU6] a mutator that was at work when the user became known runs again as that user', async () => {
    const { open } = openHouse({ authenticate: byName });
    const gate = createGate();
    let runs = 0;
    const store = open({
      token: () => 'alice',
      async act(ctx) {
        if (++runs === 1) await gate.passed;
        ctx.table('things').set('slow', { value: ctx.userId });
      },
    });
    await store.ready;
    const made = store.mutate.act(null);
    await store.synced;
    gate.open();
    await kept(made);
    expect(store.table('things').get('slow')).toEqual({ value: 'alice' });
  });

  test('[AU7] a session is what its validator makes of it, for authorize; one that does not fit lets nobody in', async () => {
    const withSession = defineSchema({
      schemaVersion: 1,
      tables: { notes: { schema: table(z.object({ id: z.string() })) } },
      mutators: {},
      session: z.object({ role: z.enum(['member', 'guest']).default('guest') }),
    });
    const seen: unknown[] = [];
    const relay = createRelay({
      backend: {
        schema: withSession,
        mutators: {},
        authenticate: ({ token }) => JSON.parse(token ?? 'null'),
        authorize(session, room) {
          const role: 'member' | 'guest' = session.role;
          seen.push([session, room]);
          return role === 'member' ? 'write' : 'read';
        },
      },
      storage: memoryRelayStorage(),
    });
    onTestFinished(() => relay.close());
    const { url } = await relay.listen();
    let links = 0;
    const say = async (identity: unknown): Promise<string> => {
      const link = await rawLink(url, { authorization: `Bearer ${JSON.stringify(identity)}` });
      link.send(hello({ userId: '', writer: ++links }));
      return Promise.race([
        link.closed.then(({ failed }) => failed ?? ''),
        vi.waitUntil(() => link.bodies(TYPES.welcome).length > 0 && 'in'),
      ]);
    };
    expect(await say({ userId: 'alice', role: 'member', secret: 1 })).toBe('in');
    expect(await say({ userId: 'bob' })).toBe('in');
    expect(await say({ userId: 'carol', role: 'admin' })).toBe('auth.expired');
    expect(seen).toEqual([
      [{ userId: 'alice', role: 'member' }, 'room'],
      [{ userId: 'bob', role: 'guest' }, 'room'],
    ]);
  });

  test('[AU8] a token comes in the first frame or in the Authorization header; one in the path is none', async () => {
    const handshakes: unknown[] = [];
    const relay = createRelay({
      backend: {
        schema,
        mutators: mutatorsWith(),
        actions: { answer: async () => ({ text: '' }) },
        authenticate(handshake) {
          handshakes.push([handshake.token, handshake.ip]);
          return handshake.token ? { userId: handshake.token } : null;
        },
      },
      storage: memoryRelayStorage(),
    });
    onTestFinished(() => relay.close());
    const { url } = await relay.listen();
    await greet(await rawLink(url, { authorization: 'Bearer eve' }));
    const inPath = await rawLink(`${url}/?token=eve&access_token=eve`);
    inPath.send(hello({}));
    expect((await inPath.closed).failed).toBe('auth.required');
    const inFrame = await rawLink(url, { authorization: 'Bearer mallory' });
    inFrame.send(hello({ token: 'eve' }));
    await vi.waitUntil(() => inFrame.bodies(TYPES.welcome).length > 0);
    expect(handshakes).toEqual([
      ['eve', '127.0.0.1'],
      [undefined, '127.0.0.1'],
      ['eve', '127.0.0.1'],
    ]);
    expect(inFrame.socket).toBeInstanceOf(WebSocket);
  });

  test('[AU9] a hook that does not answer in time is not waited for, and such links are strangers until then', async () => {
    const { open, log } = openHouse({ authenticate: () => new Promise(() => undefined) }, { limits: { helloMs: 30 } });
    const store = open({ token: () => 'alice' });
    await when(store.status$, ({ reason }) => reason?.code === 'protocol.timeout');
    expect(store.status.state).toBe('offline');
    expect(log).toMatchObject([{ message: 'link closed', fields: { code: 'protocol.timeout', userId: '' } }]);
  });

  test('[AU10] nobody gives a fresh token before the welcome', async () => {
    const relay = createRelay({
      backend: { schema, mutators: mutatorsWith(), actions: { answer: async () => ({ text: '' }) }, authenticate: byName },
      storage: memoryRelayStorage(),
    });
    onTestFinished(() => relay.close());
    const link = await rawLink((await relay.listen()).url);
    link.send(frame(10, (out) => out.cbuf.set([0], out.cpos++)));
    expect((await link.closed).failed).toBe('protocol.badFrame');
  });
});
