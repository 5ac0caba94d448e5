import type { Acceptance, Claim, ClaimTerms, QueuedRun, RunEnding, RunFilter, StoredRun } from 'cotable/relay';
import { expect, it } from 'vitest';
import { openRuns } from '../fixtures/open-runs.ts';
import { acceptance, BIRTH, codeOf, everything, MAX, run } from './relay-storage.fixtures.ts';
import { expectConflict, type Here } from './relay-storage.place.ts';

const start = { epoch: BIRTH.epoch, after: 0 };
const FAILED: RunEnding = { status: 'failed', error: { code: 'run.failed', params: { reason: 'x' } } };

/** Runs, RS25, RS38, RS39 and RS51 to RS62. */
export function runRules(here: Here): void {
  const claim = (id: string, terms: Partial<ClaimTerms> = {}, room = 'room'): Promise<Claim> =>
    here.storage.claimRun(room, id, { owner: 'one', now: 100, until: 130, ...terms });

  async function claimed(id: string, terms?: Partial<ClaimTerms>, room?: string): Promise<StoredRun> {
    const got = await claim(id, terms, room);
    if (got.status !== 'claimed') throw new Error(`${id} is ${got.status}`);
    return got.run;
  }

  /** What an attempt writes as its room's entry `seq`. */
  const by = (seq: number, id: string, attempt: number, ending?: RunEnding): Acceptance => ({
    ...acceptance(seq),
    attempt: { run: id, attempt, ending, ...(ending && { endedAt: 1_000 + seq }) },
  });
  const end = (seq: number, id: string, attempt: number, ending = FAILED): Promise<void> =>
    here.storage.accept('room', { epoch: 1, after: seq - 1 }, [by(seq, id, attempt, ending)]);
  const due = async (userId = 'ann', now = 100): Promise<readonly string[]> =>
    (await here.storage.dueRuns(now, { userId }, 99)).map(({ id }) => id);

  async function queued(...runs: readonly QueuedRun[]): Promise<void> {
    await here.storage.openRoom('room', BIRTH);
    for (const one of runs) await here.storage.queueRun('room', one);
  }

  it('[RS25] due runs come by their time, those of one time as they were queued', async () => {
    await here.storage.openRoom('room', BIRTH);
    await here.storage.accept('room', start, [
      acceptance(1, { runs: [run('z', 20), run('b', 20)] }),
      acceptance(2, { runs: [run('c', 20), { ...run('later', 1), notBefore: 101 }] }),
    ]);
    await here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3, { runs: [run('a', 10)] })]);
    expect(await due()).toEqual(['a', 'z', 'b', 'c']);
    expect(await due('ann', 101)).toEqual(['a', 'z', 'b', 'c', 'later']);
    expect(await due('ben')).toEqual([]);
    expect((await here.storage.dueRuns(100, { userId: 'ann' }, 2)).map(({ id }) => id)).toEqual(['a', 'z']);
    expect(await here.storage.dueRuns(100, { userId: 'ann' }, 1)).toEqual([{ room: 'room', id: 'a', name: 'chat.answer', userId: 'ann' }]);
  });

  it('[RS38] a run is queued once, begun as attempt 1, 2, 3 ..., and told as it stands', async () => {
    await queued();
    await here.storage.openRoom('other', BIRTH);
    expect(await here.storage.run('room', 'r')).toBeUndefined();
    const stands = {
      ...run('r', 5),
      room: 'room',
      status: 'queued',
      notBefore: 5,
      expiresAt: 0,
      session: undefined,
      lane: undefined,
      digest: undefined,
      attempt: 0,
      tries: 0,
      interruptions: 0,
      isCanceled: false,
      error: undefined,
      ending: undefined,
      endedAt: 0,
      seq: 0,
    };
    expect(await here.storage.queueRun('room', run('r', 5))).toEqual(stands);
    expect(await here.storage.queueRun('room', { ...run('r', 6), name: 'another' })).toEqual(stands);
    await here.storage.queueRun('other', { ...run('r', 1), notBefore: 7, expiresAt: 9, lane: 'lane' });
    expect(await here.storage.run('other', 'r')).toEqual({
      ...stands,
      room: 'other',
      queuedAt: 1,
      notBefore: 7,
      expiresAt: 9,
      lane: 'lane',
    });
    expect(await claimed('r')).toEqual({ ...stands, status: 'running', attempt: 1 });
    await here.restart();
    expect(await claimed('r')).toMatchObject({ attempt: 2, interruptions: 1 });
    expect(await here.storage.run('room', 'r')).toMatchObject({ status: 'running', attempt: 2 });
    expect((await openRuns(here.storage)).map(({ room, id }) => `${room} ${id}`)).toEqual(['room r', 'other r']);
    expect((await openRuns(here.storage, 'other')).map(({ room }) => room)).toEqual(['other']);
    expect(await claim('unknown')).toEqual({ status: 'over' });
    expect(await codeOf(here.storage.queueRun('nowhere', run('r', 1)))).toBe('storage.conflict');
  });

  it('[RS39] only the present attempt may write, and a run ends in the transaction of its last mutation', async () => {
    await queued(run('r', 5));
    await claimed('r');
    await claimed('r');
    const stale = { run: 'r', attempt: 1 };
    const refused = [
      () => here.storage.accept('room', start, [by(1, 'r', 1)]),
      () => here.storage.accept('room', start, [by(1, 'r', 1, FAILED)]),
      () => here.storage.keepStep('room', stale, 'step', '1'),
      () => here.storage.queueRun('room', run('child', 6), stale).then(() => undefined),
      () => here.storage.releaseRun('room', stale, { notBefore: 0 }),
    ];
    for (const call of refused) await expectConflict(here, 'room', call);
    expect(await here.storage.entries('room', 0, 9)).toEqual([]);
    expect(await here.storage.step('room', 'r', 'step')).toBeUndefined();
    await here.storage.accept('room', start, [by(1, 'r', 2)]);
    await end(2, 'r', 2);
    await here.restart();
    expect(await here.storage.run('room', 'r')).toMatchObject({ status: 'failed', attempt: 2, ending: FAILED, endedAt: 1_002, seq: 2 });
    expect(await openRuns(here.storage)).toEqual([]);
    expect(await codeOf(here.storage.accept('room', { epoch: 1, after: 2 }, [by(3, 'r', 2)]))).toBe('storage.conflict');
    expect(await codeOf(here.storage.keepStep('room', { run: 'r', attempt: 2 }, 'step', '1'))).toBe('storage.conflict');
    expect(await claim('r')).toEqual({ status: 'over' });
  });

  it('[RS51] a run belongs to who claimed it until its lease lapses; what is taken back is free, and its attempt may not write', async () => {
    await queued(run('r', 5), run('s', 6));
    await claimed('r');
    expect(await claim('r', { owner: 'two' })).toEqual({ status: 'later', at: 130 });
    expect(await claim('later')).toEqual({ status: 'over' });
    expect(await here.storage.renewRuns('two', 200)).toEqual([]);
    expect(await here.storage.renewRuns('one', 140)).toEqual([{ room: 'room', run: 'r', attempt: 1 }]);
    await here.storage.freeRuns(139);
    expect(await here.storage.run('room', 'r')).toMatchObject({ status: 'running' });
    await here.storage.freeRuns(140);
    expect(await here.storage.run('room', 'r')).toMatchObject({ status: 'waiting', attempt: 1, interruptions: 1 });
    expect(await codeOf(here.storage.accept('room', start, [by(1, 'r', 1)]))).toBe('storage.conflict');
    expect(await here.storage.renewRuns('one', 150)).toEqual([]);
    expect(await claimed('r', { owner: 'two' })).toMatchObject({ attempt: 2, interruptions: 1 });
    await claimed('s');
    // At a start what one owner had is taken back, whatever its leases say; the other's stay.
    await here.storage.freeRuns(100, 'two');
    expect((await openRuns(here.storage)).map(({ status }) => status)).toEqual(['waiting', 'running']);
  });

  it('[RS52] a run that is given back is due from its time on, and counts as it was told', async () => {
    await queued(run('r', 5));
    await claimed('r');
    const error = { code: 'a.b', params: { n: 1 } };
    await here.storage.releaseRun('room', { run: 'r', attempt: 1 }, { notBefore: 150, counts: 'try', error });
    expect(await here.storage.run('room', 'r')).toMatchObject({ status: 'waiting', notBefore: 150, tries: 1, interruptions: 0, error });
    expect(await claim('r', { now: 149 })).toEqual({ status: 'later', at: 150 });
    expect(await due('ann', 149)).toEqual([]);
    await claimed('r', { now: 150 });
    await here.storage.releaseRun('room', { run: 'r', attempt: 2 }, { notBefore: 5, counts: 'interruption' });
    expect(await here.storage.run('room', 'r')).toMatchObject({ attempt: 2, tries: 1, interruptions: 1, error });
    await claimed('r');
    await here.storage.releaseRun('room', { run: 'r', attempt: 3 }, { notBefore: 5 });
    expect(await here.storage.run('room', 'r')).toMatchObject({ attempt: 3, tries: 1, interruptions: 1 });
    expect(await due()).toEqual(['r']);
  });

  it('[RS53] what is put aside is not due until a start', async () => {
    await queued(run('parked', 5), run('given back', 6), run('at work', 7));
    await here.storage.parkRun('room', 'parked');
    await claimed('given back');
    await here.storage.releaseRun('room', { run: 'given back', attempt: 1 }, { notBefore: 6, untilStart: true });
    await claimed('at work');
    await here.storage.parkRun('room', 'at work');
    await here.storage.parkRun('room', 'unknown');
    await here.storage.freeRuns(100);
    expect(await due()).toEqual([]);
    expect(await here.storage.dueUsers(100, undefined, 9)).toEqual([]);
    expect(await here.storage.hasWork(100, 'room')).toBe(true);
    await end(1, 'at work', 1);
    expect(await here.storage.hasWork(100, 'room')).toBe(false);
    await here.storage.freeRuns(100, 'another');
    expect(await due()).toEqual(['parked', 'given back']);
  });

  it('[RS54] users with due runs come in a lasting order, page by page; what is due next is told', async () => {
    const users = ['ann', 'ben', 'cyd', 'dan'];
    await queued(...users.flatMap((userId) => [5, 50].map((at) => ({ ...run(`${userId} ${at}`, at), userId }))));
    await queued({ ...run('eve', 5), userId: 'eve', notBefore: 500 });
    const all: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await here.storage.dueUsers(100, after, 2);
      all.push(...page);
      after = page.at(-1);
      if (page.length < 2) break;
    }
    expect(all.toSorted()).toEqual(users);
    expect(await here.storage.dueUsers(4, undefined, 9)).toEqual([]);
    expect(await here.storage.nextDue(100, 'one')).toBe(500);
    expect(await here.storage.nextDue(10, 'one')).toBe(50);
    expect(await here.storage.nextDue(500, 'one')).toBeUndefined();
    await claimed('ann 5', { owner: 'two', until: 300 });
    expect(await here.storage.nextDue(100, 'one')).toBe(300);
    expect(await here.storage.nextDue(100, 'two')).toBe(500);
  });

  it('[RS55] no more of a lane than its limit are at work, of all rooms and owners, first come first served', async () => {
    await queued();
    await here.storage.openRoom('other', BIRTH);
    const lane = { lane: 'lane' };
    await here.storage.queueRun('other', { ...run('a', 1), ...lane });
    for (const [index, id] of ['b', 'c', 'd'].entries()) await here.storage.queueRun('room', { ...run(id, 2 + index), ...lane });
    await here.storage.queueRun('room', { ...run('elsewhere', 9), lane: 'another' });
    await here.storage.queueRun('room', { ...run('otherwise', 9), ...lane, name: 'another' });
    // Others are in line before it.
    expect(await claim('c', { limit: 2 })).toEqual({ status: 'busy', holders: [] });
    await claimed('a', { limit: 2 }, 'other');
    await claimed('b', { limit: 2, owner: 'two' });
    const holders = [
      { room: 'other', run: 'a', isNewer: false },
      { room: 'room', run: 'b', isNewer: false },
    ];
    expect(await claim('d', { limit: 2 })).toEqual({ status: 'busy', holders });
    expect(await due()).toEqual(['elsewhere', 'otherwise']);
    for (const id of ['elsewhere', 'otherwise']) await claimed(id, { limit: 1 });
    // A lease that has lapsed still counts: its attempt may be at work.
    expect(await claim('c', { limit: 2, now: 1_000 })).toMatchObject({ status: 'busy' });
    await end(1, 'b', 1);
    expect(await here.storage.dueRuns(100, { name: 'chat.answer', lane: 'lane' }, 9)).toMatchObject([{ id: 'c' }]);
    expect(await claim('d', { limit: 2 })).toMatchObject({ status: 'busy' });
    await claimed('c', { limit: 2 });
    await here.storage.freeRuns(130, 'one');
    // Those that wait for the next attempt are in line too.
    expect(await claim('d', { limit: 2, now: 140 })).toMatchObject({ status: 'busy', holders: [] });
    await claimed('d', { limit: 2, isAheadOfLine: true });
  });

  it('[RS56] a run that joins another waits for its end, and hears of it', async () => {
    const lane = { lane: 'lane' };
    await queued({ ...run('a', 1), ...lane }, { ...run('b', 2), ...lane }, { ...run('c', 3), ...lane });
    await claimed('a', { limit: 1 });
    const holders = [{ room: 'room', run: 'a', isNewer: false }];
    for (const id of ['b', 'c']) expect(await claim(id, { limit: 1, isJoining: true })).toEqual({ status: 'busy', holders });
    await here.storage.releaseRun('room', { run: 'a', attempt: 1 }, { notBefore: 1 });
    await here.storage.freeRuns(100, 'one');
    expect(await due()).toEqual(['a']);
    expect(await claim('b', { limit: 1, isJoining: true })).toEqual({ status: 'busy', holders });
    await claimed('a', { limit: 1 });
    await end(1, 'a', 2);
    expect(await due()).toEqual(['b', 'c']);
    expect(await claim('b', { limit: 1 })).toMatchObject({ status: 'claimed', joined: FAILED });
    expect(await claim('c', { limit: 1 })).toMatchObject({ status: 'claimed', joined: FAILED });
  });

  it('[RS57] a run that is canceled is taken from who has it, due at once, and claimed whatever its lane', async () => {
    await queued({ ...run('r', 5), notBefore: 500, lane: 'lane' }, { ...run('s', 6), lane: 'lane' });
    await claimed('s', { limit: 1 });
    expect(await here.storage.cancelRun('room', 'r', { userId: 'ben', now: 100 })).toBeUndefined();
    expect(await here.storage.cancelRun('room', 'unknown', { now: 100 })).toBeUndefined();
    expect(await here.storage.cancelRun('room', 's', { userId: 'ann', now: 100 })).toMatchObject({ isCanceled: true, attempt: 1 });
    await expectConflict(here, 'room', () => here.storage.accept('room', start, [by(1, 's', 1)]));
    expect(await here.storage.cancelRun('room', 'r', { now: 100 })).toMatchObject({ isCanceled: true, notBefore: 100 });
    expect(await due()).toEqual(['s', 'r']);
    expect(await claimed('r', { limit: 1 })).toMatchObject({ isCanceled: true });
    expect(await claimed('s', { limit: 1 })).toMatchObject({ isCanceled: true, attempt: 2, interruptions: 0 });
    // Who ends it is not kept from that by another cancel.
    expect(await here.storage.cancelRun('room', 's', { now: 150 })).toMatchObject({ isCanceled: true, status: 'running', attempt: 2 });
    await end(1, 's', 2, { status: 'canceled', error: { code: 'run.canceled', params: {} } });
    expect(await here.storage.cancelRun('room', 's', { now: 200 })).toMatchObject({ status: 'canceled', endedAt: 1_001 });
  });

  it('[RS58] a mutation queues and cancels runs in its order, and cancels none of another user', async () => {
    await queued(run('r', 5), { ...run('of ben', 5), userId: 'ben' });
    await claimed('r');
    const cancel = (id: string) => ({ cancel: id, userId: 'ann', at: 50 });
    const asked = [cancel('new'), run('new', 40), cancel('r'), cancel('of ben'), cancel('unknown'), run('gone', 41), cancel('gone')];
    await here.storage.accept('room', start, [{ ...acceptance(1), runs: asked }]);
    await here.restart();
    const canceled = (await openRuns(here.storage)).map(({ id, isCanceled }) => [id, isCanceled]);
    expect(canceled).toEqual([
      ['r', true],
      ['of ben', false],
      ['new', false],
      ['gone', true],
    ]);
    await expectConflict(here, 'room', () => here.storage.accept('room', { epoch: 1, after: 1 }, [by(2, 'r', 1)]));
    await expectConflict(here, 'room', () =>
      here.storage.accept('room', { epoch: 1, after: 1 }, [{ ...acceptance(2), runs: [run('new', 60)] }]),
    );
    // An attempt that cancels its own run has still written this.
    await claimed('of ben');
    await here.storage.accept('room', { epoch: 1, after: 1 }, [
      { ...by(2, 'of ben', 1), runs: [{ cancel: 'of ben', userId: 'ben', at: 60 }] },
    ]);
    expect(await here.storage.run('room', 'of ben')).toMatchObject({ isCanceled: true });
  });

  it('[RS59] a run with a key is queued again only when it has ended and is old', async () => {
    const once = (queuedAt: number, digest: string, keptSince: number): QueuedRun => ({
      ...run('k', queuedAt),
      input: JSON.stringify(digest),
      once: { digest, keptSince },
    });
    await queued(once(10, 'x', 0));
    expect(await here.storage.queueRun('room', once(20, 'y', 11))).toMatchObject({ digest: 'x', queuedAt: 10, input: '"x"' });
    await claimed('k');
    await here.storage.keepStep('room', { run: 'k', attempt: 1 }, 'step', '1');
    await end(1, 'k', 1);
    await here.storage.accept('room', { epoch: 1, after: 1 }, [{ ...acceptance(2), runs: [once(20, 'y', 10)] }]);
    expect(await here.storage.run('room', 'k')).toMatchObject({ status: 'failed', digest: 'x' });
    await here.storage.accept('room', { epoch: 1, after: 2 }, [{ ...acceptance(3), runs: [once(20, 'y', 11)] }]);
    await here.restart();
    expect(await here.storage.run('room', 'k')).toMatchObject({
      status: 'queued',
      digest: 'y',
      queuedAt: 20,
      attempt: 1,
      seq: 0,
      input: '"y"',
    });
    expect(await here.storage.step('room', 'k', 'step')).toBeUndefined();
    expect(await claimed('k')).toMatchObject({ attempt: 2 });
  });

  it('[RS60] steps are kept with their run, which is kept until it is purged; what ended badly can be queued again', async () => {
    await queued(run('r', 5), run('s', 6), run('open', 7));
    await claimed('r');
    await here.storage.keepStep('room', { run: 'r', attempt: 1 }, 'a\u0000', '"\ud83d"');
    await here.storage.keepStep('room', { run: 'r', attempt: 1 }, 'b', '2');
    await here.restart();
    expect(await here.storage.step('room', 'r', 'a\u0000')).toBe('"\ud83d"');
    expect(await here.storage.step('room', 's', 'b')).toBeUndefined();
    await here.storage.releaseRun('room', { run: 'r', attempt: 1 }, { notBefore: 5, counts: 'try' });
    await claimed('r');
    await end(1, 'r', 2);
    await claimed('s');
    await end(2, 's', 1, { status: 'succeeded', output: '1' });
    expect(await here.storage.redriveRun('room', 's', 100)).toMatchObject({ status: 'succeeded' });
    expect(await here.storage.redriveRun('room', 'unknown', 100)).toBeUndefined();
    expect(await here.storage.redriveRun('room', 'r', 100)).toMatchObject({
      status: 'queued',
      tries: 0,
      attempt: 2,
      notBefore: 100,
      seq: 0,
    });
    expect(await here.storage.step('room', 'r', 'b')).toBe('2');
    expect(await claimed('r')).toMatchObject({ attempt: 3 });
    await end(3, 'r', 3);
    expect(await here.storage.purgeRuns(1_002, 9)).toBe(0);
    expect(await here.storage.purgeRuns(MAX, 1)).toBe(1);
    expect(await here.storage.run('room', 's')).toBeUndefined();
    expect(await here.storage.purgeRuns(MAX, 9)).toBe(1);
    expect(await here.storage.step('room', 'r', 'b')).toBeUndefined();
    expect(await openRuns(here.storage)).toMatchObject([{ id: 'open' }]);
  });

  it('[RS62] a run keeps the session it was asked for with, whoever asks for it again', async () => {
    const session = '{"role":"\\u0000 \ud800","teams":["a"]}';
    const keyed = (said: string | undefined, queuedAt: number, keptSince: number): QueuedRun => ({
      ...run('keyed', queuedAt),
      ...(said !== undefined && { session: said }),
      once: { digest: 'x', keptSince },
    });
    await here.storage.openRoom('room', BIRTH);
    await here.storage.accept('room', start, [acceptance(1, { runs: [{ ...run('asked', 5), session }, run('bare', 6)] })]);
    await here.storage.queueRun('room', keyed(session, 7, 0));
    expect(await here.storage.queueRun('room', keyed('{"role":"other"}', 8, 0))).toMatchObject({ session });
    await here.restart();
    const kept = async (): Promise<unknown> =>
      (await here.storage.listRuns({}, undefined, 9)).runs.map(({ id, session: said }) => [id, said]);
    expect(await kept()).toEqual([
      ['asked', session],
      ['bare', undefined],
      ['keyed', session],
    ]);
    expect(await claimed('asked')).toMatchObject({ session });
    await claimed('keyed');
    await end(2, 'keyed', 1);
    expect(await here.storage.redriveRun('room', 'keyed', 50)).toMatchObject({ session });
    await claimed('keyed');
    await end(3, 'keyed', 2);
    expect(await here.storage.queueRun('room', keyed(undefined, 60, 59))).toMatchObject({ session: undefined, queuedAt: 60 });
  });

  it('[RS61] runs are listed in the order they were queued, page by page, as asked', async () => {
    await here.storage.openRoom('other', BIRTH);
    await queued(run('a', 9), { ...run('b', 8), userId: 'ben' }, { ...run('c', 7), name: 'sum' });
    await here.storage.queueRun('other', run('d', 6));
    await claimed('a');
    await claimed('b');
    await end(1, 'b', 1);
    const ids = async (filter: RunFilter): Promise<string[]> =>
      (await here.storage.listRuns(filter, undefined, 9)).runs.map(({ id }) => id);
    expect(await ids({})).toEqual(['a', 'b', 'c', 'd']);
    expect(await ids({ room: 'room' })).toEqual(['a', 'b', 'c']);
    expect(await ids({ room: 'nowhere' })).toEqual([]);
    expect(await ids({ userId: 'ann', name: 'chat.answer' })).toEqual(['a', 'd']);
    expect(await ids({ statuses: ['failed', 'queued'] })).toEqual(['b', 'c', 'd']);
    expect(await ids({ room: 'room', userId: 'ann', statuses: ['queued', 'running', 'waiting'] })).toEqual(['a', 'c']);
    expect(await ids({ statuses: [] })).toEqual([]);
    const first = await here.storage.listRuns({}, undefined, 3);
    expect(first.runs).toHaveLength(3);
    const second = await here.storage.listRuns({}, first.next, 3);
    expect(second.runs.map(({ id }) => id)).toEqual(['d']);
    expect(second.next).toBeUndefined();
    expect(await everything(here.storage, 'nowhere')).toMatchObject({ runs: [] });
  });
}
