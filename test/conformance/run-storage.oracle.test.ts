import { memoryRelayStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import type { RelayStorage, RunEnding } from 'cotable/relay';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { acceptance, BIRTH } from './relay-storage.fixtures.ts';

const id = fc.integer({ min: 1, max: 6 }).map((n) => `run ${n}`);
const owner = fc.constantFrom('one', 'two');
const attempt = fc.integer({ min: 1, max: 4 });
const lane = fc.constantFrom(undefined, 'x', 'x', 'x', 'y');
const maybe = fc.option(fc.constantFrom('ann', 'ben'), { nil: undefined });

/** A step takes two units of time, so that leases of ten lapse now and then. */
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('queue' as const),
      id,
      lane,
      user: fc.constantFrom('ann', 'ben'),
      wait: fc.nat(6),
      keyed: fc.boolean(),
      session: fc.constantFrom(undefined, '{"role":"guest"}'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      id,
      owner,
      limit: fc.constantFrom(1, 1, 2, undefined),
      isJoining: fc.boolean(),
      isAheadOfLine: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      id,
      attempt,
      wait: fc.nat(6),
      counts: fc.constantFrom(undefined, 'try' as const, 'interruption' as const),
      untilStart: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      id,
      attempt,
      status: fc.constantFrom('succeeded' as const, 'failed' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), id, userId: maybe }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('accept' as const), id, cancels: id, userId: fc.constantFrom('ann', 'ben') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('free' as const), owner: fc.option(owner, { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), owner }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('park' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('redrive' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('step' as const), id, attempt }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('purge' as const), age: fc.nat(30) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function toCall(room: string, made: Step, now: number, seq: number): (storage: RelayStorage) => Promise<unknown> {
  const by = 'attempt' in made ? { run: made.id, attempt: made.attempt } : { run: '', attempt: 0 };
  switch (made.kind) {
    case 'queue': {
      const { lane: shared, user: userId, wait, keyed, session } = made;
      const once = { digest: userId, keptSince: now - 10 };
      const run = { id: made.id, name: 'work', input: '1', userId, queuedAt: now, notBefore: now + wait, ...(shared && { lane: shared }) };
      const said = session === undefined ? {} : { session };
      return (storage) => storage.queueRun(room, { ...run, ...said, ...(keyed && { once }) });
    }
    case 'claim': {
      const { owner: who, limit, isJoining, isAheadOfLine } = made;
      const terms = { owner: who, now, until: now + 10, isJoining, isAheadOfLine, ...(limit && { limit }) };
      return (storage) => storage.claimRun(room, made.id, terms);
    }
    case 'release': {
      const { wait, counts, untilStart } = made;
      return (storage) => storage.releaseRun(room, by, { notBefore: now + wait, untilStart, ...(counts && { counts }) });
    }
    case 'end': {
      const ending: RunEnding =
        made.status === 'succeeded' ? { status: made.status, output: '1' } : { status: made.status, error: { code: 'a.b', params: {} } };
      return (storage) =>
        storage.accept(room, { epoch: 1, after: seq }, [{ ...acceptance(seq + 1), attempt: { ...by, ending, endedAt: now } }]);
    }
    case 'cancel':
      return (storage) => storage.cancelRun(room, made.id, { now, ...(made.userId && { userId: made.userId }) });
    case 'accept': {
      const { cancels, userId } = made;
      const runs = [
        { cancel: cancels, userId, at: now },
        { id: made.id, name: 'work', input: '2', userId, queuedAt: now, lane: 'x' },
      ];
      return (storage) => storage.accept(room, { epoch: 1, after: seq }, [{ ...acceptance(seq + 1), runs }]);
    }
    case 'free':
      return (storage) => storage.freeRuns(now, made.owner);
    case 'renew':
      return (storage) => storage.renewRuns(made.owner, now + 10);
    case 'park':
      return (storage) => storage.parkRun(room, made.id);
    case 'redrive':
      return (storage) => storage.redriveRun(room, made.id, now);
    case 'step':
      return (storage) => storage.keepStep(room, by, 'key', String(now));
    case 'purge':
      return (storage) => storage.purgeRuns(now - made.age, 2);
  }
}

const settled = async (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: { readonly code: unknown }) => ({ code: error.code }));

/** All that can be asked about runs. */
async function shown(storage: RelayStorage, room: string, now: number): Promise<unknown> {
  const ids = Array.from({ length: 6 }, (_, index) => `run ${index + 1}`);
  return Promise.all([
    storage.listRuns({ room }, undefined, 99).then(({ runs }) => runs),
    storage.dueUsers(now, undefined, 9),
    ...['ann', 'ben'].map((userId) => storage.dueRuns(now, { userId }, 9)),
    ...['x', 'y'].map((shared) => storage.dueRuns(now, { name: 'work', lane: shared }, 9)),
    storage.nextDue(now, 'one'),
    storage.hasWork(now, room),
    ...ids.map((run) => storage.step(room, run, 'key')),
  ]);
}

it('[SQ16] sqlite answers and keeps of runs what the memory storage does', { timeout: 240_000 }, async () => {
  let claims = 0;
  let busy = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const storages = [memoryRelayStorage(), sqlite(':memory:')];
      for (const storage of storages) await storage.openRoom('room', BIRTH);
      let seq = 0;
      for (const [index, made] of steps.entries()) {
        const now = 100 + 2 * index;
        const call = toCall('room', made, now, seq);
        const [expected, got] = await Promise.all(storages.map((storage) => settled(call(storage))));
        expect(got, `${made.kind} at ${index}`).toEqual(expected);
        if ((made.kind === 'end' || made.kind === 'accept') && expected === undefined) seq += 1;
        const status = (expected as { readonly status?: string } | undefined)?.status;
        if (made.kind === 'claim' && status === 'claimed') claims += 1;
        if (made.kind === 'claim' && status === 'busy') busy += 1;
        const [all, same] = await Promise.all(storages.map((storage) => shown(storage, 'room', now)));
        expect(same, `after ${made.kind} at ${index}`).toEqual(all);
      }
      for (const storage of storages) await storage.close();
    }),
    { numRuns: Number(process.env['COTABLE_RUNS'] ?? 150) },
  );
  // A property that only ever saw refusals would prove nothing.
  expect(claims).toBeGreaterThan(100);
  expect(busy).toBeGreaterThan(5);
});
