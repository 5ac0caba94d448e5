import { CotableError, type RunItem, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { spoil } from '../faults/spoilt.ts';
import { gate, scene, type S } from './scene.ts';

/** Names of the actions of the user's runs, with how they stand. */
const standing = (store: Store<S>): string[] => store.runs.map(({ name, status }: RunItem) => `${name} ${status}`);

const code = async (promise: PromiseLike<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof CotableError ? error.code : String(error)),
  );

describe('a request for a run', () => {
  it('[RC1 AX3] made offline waits on the device over a reload, and runs once', async () => {
    const inputs: string[] = [];
    const all = scene({
      async answer(ctx, { id }) {
        inputs.push(id);
        return { text: `${await ctx.table('log').count()} for ${id}` };
      },
    });
    const device = memoryClientStorage({ durable: true });
    const before = all.open('ann', device);
    await before.synced;
    all.hub.setAvailable('ann', false);
    await expect.poll(() => before.status.state).toBe('offline');
    void before.mutate.note({ id: 'first', what: '' });
    const lost = before.action.answer({ id: 'x', to: '' });
    expect([lost.status, standing(before)]).toEqual(['pending', ['answer pending']]);
    await before.close();
    expect(await code(lost)).toBe('store.closed');

    const after = all.open('ann', device);
    await after.ready;
    expect(after.runs).toEqual([{ id: lost.id, name: 'answer', input: { id: 'x', to: '' }, status: 'pending' }]);
    const found = after.run('answer', lost.id);
    all.hub.setAvailable('ann', true);
    expect(await found).toEqual({ text: '1 for x', tries: 1 });
    await after.close();
    const again = all.open('ann', device);
    await again.synced;
    expect(await again.run('answer', lost.id)).toEqual({ text: '1 for x', tries: 1 });
    expect(inputs).toEqual(['x']);
  });

  it('[RC2] that may not wait fails at once', async () => {
    const all = scene({});
    const ann = all.open('ann');
    await ann.synced;
    all.hub.setAvailable('ann', false);
    await expect.poll(() => ann.status.state).toBe('offline');
    const handle = ann.action.silent({ id: 'x' }, { offline: 'reject' });
    expect([await code(handle), await code(handle.accepted), handle.status]).toEqual(['action.offline', 'action.offline', 'failed']);
    expect(ann.runs).toEqual([]);
  });

  it('[RC3] that nobody could send in time has expired, here at once and on the relay', async () => {
    const all = scene({});
    const device = memoryClientStorage({ durable: true });
    const ann = all.open('ann', device);
    await ann.synced;
    all.hub.setAvailable('ann', false);
    await expect.poll(() => ann.status.state).toBe('offline');
    // Longer than a timer of the platform can be set for.
    const long = ann.action.silent({ id: 'w' }, { expiresIn: 40 * 86_400_000 });
    const short = ann.action.silent({ id: 'x' }, { expiresIn: 1 });
    expect([await code(short), short.status]).toEqual(['run.expired', 'expired']);
    expect(long.status).toBe('pending');
    // Kept by a tab that is gone, so that nobody here knows whether it was sent.
    const kept = ann.action.silent({ id: 'y' }, { expiresIn: 40 });
    await ann.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const late = all.open('ann', device);
    await late.ready;
    all.hub.setAvailable('ann', true);
    expect(await code(late.run('silent', kept.id))).toBe('run.expired');
  });

  it('[RC4] with a key is one run however often and wherever it is asked for', async () => {
    let runs = 0;
    const go = gate();
    const all = scene({
      async silent() {
        runs += 1;
        await go.passed;
        return { ok: true };
      },
    });
    const [phone, laptop] = [all.open('ann'), all.open('ann')];
    await Promise.all([phone.synced, laptop.synced]);
    const options = { idempotencyKey: 'k' };
    const handles = [phone, phone, laptop].map((store) => store.action.silent({ id: 'x' }, options));
    const other = phone.action.silent({ id: 'other' }, options);
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1);
    expect(await code(other)).toBe('action.idempotencyMismatch');
    await Promise.all(handles.map(({ accepted }) => accepted));
    go.open();
    expect(await Promise.all(handles)).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    expect(await laptop.action.silent({ id: 'x' }, options)).toEqual({ ok: true });
    const fresh = all.open('ann');
    expect(await fresh.action.silent({ id: 'x' }, options)).toEqual({ ok: true });
    expect(await code(fresh.action.silent({ id: 'y' }, options))).toBe('action.idempotencyMismatch');
    expect(runs).toBe(1);
    expect(await all.open('ben').action.silent({ id: 'y' }, options)).toEqual({ ok: true });
    expect(runs).toBe(2);
  });

  it('[RC5] is taken back when it has not left, by cancel() or its signal', async () => {
    let runs = 0;
    const all = scene({
      async silent() {
        runs += 1;
        return { ok: true };
      },
    });
    const ann = all.open('ann');
    await ann.synced;
    all.hub.setAvailable('ann', false);
    await expect.poll(() => ann.status.state).toBe('offline');
    const controller = new AbortController();
    const handles = [ann.action.silent({ id: 'x' }), ann.action.silent({ id: 'y' }, { signal: controller.signal })];
    const never = ann.action.silent({ id: 'z' }, { signal: AbortSignal.abort() });
    await handles[0]?.cancel();
    controller.abort();
    for (const handle of [...handles, never]) expect([await code(handle), handle.status]).toEqual(['run.canceled', 'canceled']);
    all.hub.setAvailable('ann', true);
    await ann.action.silent({ id: 'w' });
    expect(runs).toBe(1);
  });

  it('[RC6] that is running ends as canceled, also when the wish was made offline before a reload', async () => {
    const began = [gate(), gate()];
    const aborted: string[] = [];
    const all = scene({
      async silent(ctx, { id }) {
        began[Number(id)]?.open();
        await new Promise((_, fail) => ctx.signal.addEventListener('abort', () => fail(ctx.signal.reason)));
        aborted.push(id);
        return { ok: true };
      },
    });
    const device = memoryClientStorage({ durable: true });
    const ann = all.open('ann', device);
    const first = ann.action.silent({ id: '0' });
    await began[0]?.passed;
    await expect.poll(() => first.status).toBe('running');
    const wish = first.cancel();
    expect(first.cancel()).toBe(wish);
    await wish;
    expect([first.status, await code(first), await code(first.cancel())]).toEqual(['canceled', 'run.canceled', 'no error']);

    const second = ann.action.silent({ id: '1' });
    await began[1]?.passed;
    await expect.poll(() => second.status).toBe('running');
    all.hub.setAvailable('ann', false);
    await expect.poll(() => ann.status.state).toBe('offline');
    void second.cancel();
    await ann.close();
    const later = all.open('ann', device);
    await later.ready;
    all.hub.setAvailable('ann', true);
    expect(await code(later.run('silent', second.id))).toBe('run.canceled');
  });

  it('[RC7] that has ended can not be canceled', async () => {
    const all = scene({});
    const ann = all.open('ann');
    const handle = ann.action.silent({ id: 'x' });
    await handle;
    expect(await code(handle.cancel())).toBe('run.terminal');
    expect(await code(all.open('ann').run('silent', handle.id).cancel())).toBe('run.terminal');
  });
});

describe('what a device kept of a request', () => {
  it('[RC9] and cannot read any more is told, and holds up nothing', async () => {
    const all = scene({});
    const device = memoryClientStorage({ durable: true });
    const before = all.open('ann', device);
    await before.synced;
    all.hub.setAvailable('ann', false);
    await expect.poll(() => before.status.state).toBe('offline');
    const lost = before.action.silent({ id: 'x' });
    await before.close();
    const database = await device.open('ann/room');
    const [[key, whole] = [[], undefined]] = await database.range(['call']);
    const spoilt = [...spoil(whole, 'the request')];
    expect(spoilt.length).toBeGreaterThan(20);
    for (const { value, what } of spoilt) {
      await database.write({ put: [[key, value]] });
      const store = all.open('ann', device);
      await store.ready;
      expect([store.status.reason?.code, store.runs], what).toEqual(['storage.corrupt', []]);
      await store.close();
    }
    const after = all.open('ann', device);
    await after.ready;
    expect([after.status.reason?.code, after.runs]).toEqual(['storage.corrupt', []]);
    all.hub.setAvailable('ann', true);
    expect(await after.action.silent({ id: 'z' })).toEqual({ ok: true });
    expect(await code(after.run('silent', lost.id))).toBe('run.notFound');
  });
});

describe('the runs of a user', () => {
  it('[RC8] show in every store of the user as they go on, and in nobody else’s', async () => {
    const go = gate();
    const all = scene({
      async answer(_, { to }) {
        await go.passed;
        return { text: to };
      },
    });
    const [phone, laptop, ben] = [all.open('ann'), all.open('ann'), all.open('ben')];
    await Promise.all([phone.synced, laptop.synced, ben.synced]);
    const seen: string[][] = [];
    laptop.runs$.subscribe((runs) => seen.push(runs.map(({ status }) => status)));
    await phone.mutate.say({ id: 'q', text: '@bot hello' });
    for (const store of [phone, laptop]) await expect.poll(() => standing(store)).toEqual(['answer running']);
    const [run] = laptop.runs;
    const late = all.open('ann');
    await expect.poll(() => standing(late)).toEqual(['answer running']);
    expect(late.runs[0]).toMatchObject({ id: run?.id, input: { to: '@bot hello' } });
    go.open();
    const found = laptop.run('answer', run?.id ?? '');
    expectTypeOf(found.result).resolves.toEqualTypeOf<{ text: string; tries: number }>();
    expectTypeOf(found.stream.state).toEqualTypeOf<string>();
    expect(found.stream).toBe(laptop.stream('answer', found.id));
    // @ts-expect-error -- no such action
    expect(() => laptop.run('another', found.id)).not.toThrow();
    // @ts-expect-error -- no such option
    expect(() => laptop.action.silent({ id: 'x' }, { offline: 'later' })).toThrow(/not valid/);
    expect(() => laptop.action.silent({ id: 'x' }, { expiresIn: Number.NaN })).toThrow(/not valid/);
    expect(() => laptop.action.silent({ id: 'x' }, { idempotencyKey: '' })).toThrow(/not valid/);
    expect(await found).toEqual({ text: '@bot hello', tries: 1 });
    for (const store of [phone, laptop, late]) await expect.poll(() => standing(store)).toEqual(['answer succeeded']);
    expect(ben.runs).toEqual([]);
    expect(await code(ben.run('answer', run?.id ?? ''))).toBe('run.notFound');
    expect(await code(ben.run('answer', run?.id ?? '').cancel())).not.toBe('no error');
    expect(seen[0]).toEqual([]);
    expect(seen.map((statuses) => statuses[0] ?? '').filter((status, index, list) => status !== list[index - 1])).toEqual(
      expect.arrayContaining(['', 'running', 'succeeded']),
    );
  });
});
