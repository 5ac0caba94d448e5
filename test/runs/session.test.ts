import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStore, defineMutators, defineSchema, table, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, type ActionContext, type ActionPolicy, type Relay } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';

const step = z.object({ id: z.string(), next: z.enum(['nothing', 'enqueue', 'mutate', 'fail']).default('nothing') });
const tables = {
  /** What ran, and in whose name each line was written. */
  lines: { schema: table(z.object({ by: z.string() })) },
};
const parts = {
  schemaVersion: 1,
  tables,
  mutators: {
    ask: { input: step.extend({ key: z.string().optional() }) },
    sign: { input: z.object({ id: z.string(), ask: z.boolean().default(false) }) },
  },
  actions: { work: { input: step, output: z.object({}) } },
};
const schema = defineSchema({
  ...parts,
  session: z.object({ role: z.enum(['member', 'guest']), teams: z.array(z.object({ name: z.string() })).default([]) }),
});
type S = typeof schema;
const bare = defineSchema(parts);

const mutators = defineMutators<S>({
  ask: (ctx, { key, ...input }) => void ctx.enqueueAction('work', input, { ...(key && { idempotencyKey: key }) }),
  sign(ctx, { id, ask }) {
    ctx.table('lines').set(id, { by: ctx.userId });
    if (ask) ctx.enqueueAction('work', { id: `${id}, asked for` });
  },
});

interface Place {
  relay: Relay<S>;
  /** The session of each attempt, by the input's id. */
  readonly seen: Record<string, ActionContext<S>['session'][]>;
  start(): Promise<void>;
  /** A token is a user and a role. */
  open(token: string): Store<S>;
}

async function begin(policy: Partial<ActionPolicy<S, 'work'>> = {}, only: S = schema): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-session-'));
  let port = 0;
  const place: Place = {
    relay: undefined as never,
    seen: {},
    async start() {
      place.relay = createRelay({
        backend: {
          schema: only,
          mutators,
          actions: {
            work: {
              async run(ctx, { id, next }) {
                (place.seen[id] ??= []).push(ctx.session);
                if (next === 'enqueue') await ctx.enqueueAction('work', { id: `${id}, inherited` });
                if (next === 'mutate') await ctx.mutate('sign', { id, ask: true });
                if (next === 'fail') throw Object.assign(new Error('not now'), { retryable: false });
                return {};
              },
              ...policy,
            },
          },
          authenticate: ({ token }) => {
            const [userId = '', role] = (token ?? '').split(' ');
            return { userId, role: role as 'member', teams: [{ name: `of ${userId}` }], secret: 'stays' };
          },
        },
        storage: sqlite(join(folder, 'relay.db')),
      });
      ({ port } = await place.relay.listen(port));
    },
    open(token) {
      const store = createStore({
        schema: only,
        mutators,
        room: 'room',
        storage: memoryClientStorage({ durable: true }),
        transports: [webSocket(`ws://127.0.0.1:${port}`, { WebSocket })],
        token: () => token,
      });
      onTestFinished(() => store.close());
      return store;
    },
  };
  onTestFinished(async () => {
    await place.relay.close({ graceMs: 0 });
    await rm(folder, { recursive: true });
  });
  await place.start();
  return place;
}

const ANN = { userId: 'ann', role: 'member', teams: [{ name: 'of ann' }] };

describe('the session of a run', () => {
  it('[RN43] is that of who called, of who wrote, and of the run that asked, as the schema lets it through, and frozen', async () => {
    const place = await begin();
    const ann = place.open('ann member');
    await ann.action.work({ id: 'called', next: 'enqueue' });
    await ann.mutate.ask({ id: 'asked', next: 'mutate' });
    await place.open('bob guest').action.work({ id: 'of bob' });
    await expect.poll(() => Object.keys(place.seen).length).toBe(5);
    const bob = { userId: 'bob', role: 'guest', teams: [{ name: 'of bob' }] };
    expect(place.seen).toEqual({
      called: [ANN],
      'called, inherited': [ANN],
      asked: [ANN],
      'asked, asked for': [ANN],
      'of bob': [bob],
    });
    const [session] = place.seen['called'] ?? [];
    expect([session, session?.teams, session?.teams[0]].map((part) => Object.isFrozen(part))).toEqual([true, true, true]);
  });

  it('[RN43] says nothing but who it is where the schema declares none, and of what nobody with a session asked for', async () => {
    const place = await begin({}, bare as unknown as S);
    await place.open('ann member').action.work({ id: 'called' });
    expect(place.seen).toEqual({ called: [{ userId: 'ann' }] });

    const clock = await begin({ cron: { schedule: '* * * * * *', room: 'room', input: { id: 'of the clock' } } });
    await clock.relay.mutate('room', 'ask', { id: 'of the relay' });
    await expect.poll(() => Object.keys(clock.seen).toSorted(), { timeout: 10_000 }).toEqual(['of the clock', 'of the relay']);
    expect([clock.seen['of the clock']?.[0], clock.seen['of the relay']]).toEqual([{ userId: 'system' }, [{ userId: 'system' }]]);
  });

  it('[RN44] lies on disk with the run, as it was when it was asked for: after a restart, and in another attempt', async () => {
    const place = await begin();
    const ann = place.open('ann member');
    await ann.synced;
    await ann.action.work({ id: 'dead', next: 'fail' }).then(undefined, () => undefined);
    await ann.mutate.ask({ id: 'keyed', key: 'key', next: 'fail' });
    await expect.poll(() => place.seen['keyed']?.length).toBe(1);
    await ann.close();
    await place.relay.close({ graceMs: 0 });
    await place.start();
    const demoted = place.open('ann guest');
    // It is the same run, of the member that she was.
    await demoted.mutate.ask({ id: 'keyed', key: 'key', next: 'fail' });
    for await (const run of place.relay.runs.list({ status: 'failed' })) await place.relay.runs.redrive(run);
    await place.relay.drain();
    expect(place.seen).toEqual({ dead: [ANN, ANN], keyed: [ANN, ANN] });
    await demoted.action.work({ id: 'new' });
    expect(place.seen['new']).toEqual([{ ...ANN, role: 'guest' }]);
  });
});

describe('in whose name a run writes', () => {
  const onSettled: ActionPolicy<S, 'work'>['onSettled'] = (ctx, { input }) =>
    void ctx.table('lines').set(`end of ${input.id}`, { by: ctx.userId });

  it.each([
    [undefined, 'ann', ANN],
    ['caller', 'ann', ANN],
    ['system', 'system', { userId: 'system' }],
  ] as const)('[RN45] as %s is %s, with that session for what it asks for; who asked stays who asked', async (as, by, session) => {
    const place = await begin({ ...(as && { as }), onSettled });
    const ann = place.open('ann member');
    const { id } = ann.action.work({ id: 'a', next: 'mutate' });
    await expect.poll(() => ann.table('lines').count()).toBe(3);
    expect(Object.fromEntries(ann.table('lines').entries())).toEqual({ a: { by }, 'end of a': { by }, 'end of a, asked for': { by } });
    expect(place.seen).toEqual({ a: [ANN], 'a, asked for': [session] });
    expect(ann.runs.map((run) => run.id)).toContain(id);
    expect(ann.runs).toHaveLength(by === 'ann' ? 2 : 1);
  });
});
