import { createStore, defineSchema } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openRuns } from '../fixtures/open-runs.ts';
import { answers, gate, mutators, scene, schema } from './scene.ts';

describe('an action', () => {
  it('[RN1 A1 A3 A16 A17] that a mutator asks for runs on the relay, after the mutation is kept, and its row ends with it', async () => {
    const began = gate();
    const go = gate();
    const all = scene({
      answer: {
        async run(ctx, { to }) {
          began.open();
          await go.passed;
          return { text: `${await ctx.table('messages').count()} rows; ${ctx.userId} said ${to}` };
        },
        onSettled: (ctx, run) => ctx.table('messages').update(run.input.id, { text: run.output?.text ?? 'failed', done: true }),
      },
    });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await Promise.all([ann.synced, ben.synced]);
    all.hub.setAvailable('ann', false);
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    expect(answers(ann)).toEqual([{ text: '', done: false }]);
    all.hub.setAvailable('ann', true);
    await began.passed;
    expect((await memoryRelayStorage(all.disk).entries('room', 0, 10)).length).toBe(1);
    await expect.poll(() => answers(ben)).toEqual([{ text: '', done: false }]);
    go.open();
    for (const store of [ann, ben]) await expect.poll(() => answers(store)).toEqual([{ text: '2 rows; ann said @bot hello', done: true }]);
  });

  it('[RN2 A19 AX2] called directly runs after what was written before, and its handle gives the typed output', async () => {
    const all = scene({
      async answer(ctx, { id }) {
        await ctx.mutate('note', { id: 'from-run', what: `saw ${await ctx.table('log').count()}` });
        return { text: `for ${id}` };
      },
    });
    const ann = all.open('ann');
    void ann.mutate.note({ id: 'before', what: '' });
    const handle = ann.action.answer({ id: 'x', to: 'y' });
    const states: string[] = [];
    handle.status$.subscribe((status) => states.push(status));
    const output = await handle;
    const tries: number = output.tries;
    expect([output, tries]).toEqual([{ text: 'for x', tries: 1 }, 1]);
    expect(ann.table('log').get('from-run')).toEqual({ what: 'saw 1' });
    expect(states).toEqual(['pending', 'queued', 'running', 'succeeded']);
  });

  it('[RN3 A2 A20 A21] that mutates again and again is seen growing, in order', async () => {
    const all = scene({
      async silent(ctx, { id }) {
        for (let n = 1; n <= 20; n++) await ctx.mutate('say', { id, text: 'x'.repeat(n) });
        return { ok: true };
      },
    });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await ben.synced;
    const seen: number[] = [];
    ben
      .table('messages')
      .row$('m')
      .subscribe(({ row }) => seen.push(row?.text.length ?? 0));
    await ann.action.silent({ id: 'm' });
    await expect.poll(() => seen.at(-1)).toBe(20);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it('[RN4] that throws fails with its code, and onSettled writes the last word all the same', async () => {
    const all = scene({
      answer: {
        retry: { attempts: 1 },
        run: () => Promise.reject(new Error('no model')),
        onSettled: (ctx, run) => ctx.table('messages').update(run.input.id, { text: `${run.status}: ${run.error?.code}`, done: true }),
      },
    });
    const ann = all.open('ann');
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    await expect.poll(() => answers(ann)).toEqual([{ text: 'failed: run.failed', done: true }]);
    const handle = ann.action.answer({ id: 'no-such-row', to: '' });
    // Here it is onSettled that throws: there is no such row.
    await expect(handle.result).rejects.toMatchObject({ code: 'row.notFound' });
    expect(handle.status).toBe('failed');
  });

  it('[RN5] whose output does not fit its schema fails, and so does one whose onSettled throws', async () => {
    const all = scene({
      silent: async () => ({ ok: 'yes' }) as never,
      answer: { run: async () => ({ text: 'fine' }), onSettled: () => Promise.reject(new Error('not now')) },
    });
    const ann = all.open('ann');
    await expect(ann.action.silent({ id: '' }).result).rejects.toMatchObject({ code: 'action.invalidOutput' });
    await expect(ann.action.answer({ id: '', to: '' }).result).rejects.toMatchObject({
      code: 'mutation.failed',
      params: { reason: 'not now' },
    });
  });

  it('[RN6] that a crash cut off is taken up at the next start, as the next attempt; the one before can write nothing', async () => {
    const attempts: number[] = [];
    const began = gate();
    const late: unknown[] = [];
    const all = scene({
      answer: {
        async run(ctx) {
          attempts.push(ctx.attempt);
          if (ctx.attempt === 1) {
            began.open();
            await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
            await ctx.mutate('note', { id: 'late', what: 'from the first attempt' }).catch((error: unknown) => late.push(error));
          }
          return { text: `attempt ${ctx.attempt}` };
        },
        onSettled: (ctx, run) => ctx.table('messages').update(run.input.id, { text: run.output?.text ?? 'failed', done: true }),
      },
    });
    const ann = all.open('ann');
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    await began.passed;
    await all.restart();
    all.hub.setAvailable('ann', false);
    all.hub.setAvailable('ann', true);
    await expect.poll(() => answers(ann)).toEqual([{ text: 'attempt 2', done: true }]);
    expect(attempts).toEqual([1, 2]);
    expect(late).toMatchObject([{ code: 'run.fenced' }]);
    expect(ann.table('log').has('late')).toBe(false);
    expect(await openRuns(memoryRelayStorage(all.disk))).toEqual([]);
  });

  it('[RN7] called over a link that is lost runs once, and its handle hears the end on the next link', async () => {
    let runs = 0;
    const go = gate();
    const all = scene({
      async silent() {
        runs += 1;
        await go.passed;
        return { ok: true };
      },
    });
    const ann = all.open('ann');
    const handle = ann.action.silent({ id: '' });
    await handle.accepted;
    all.hub.cut('ann');
    all.hub.setAvailable('ann', false);
    go.open();
    await expect.poll(async () => (await memoryRelayStorage(all.disk).run('room', handle.id))?.status).toBe('succeeded');
    all.hub.setAvailable('ann', true);
    expect(await handle).toEqual({ ok: true });
    expect(runs).toBe(1);
  });

  it('[RN8] is refused with what is wrong with its input, before anything is sent', async () => {
    const all = scene({});
    const ann = all.open('ann');
    expect(() => ann.action.answer({ id: 5 } as never)).toThrow(expect.objectContaining({ code: 'action.invalidInput' }));
  });
});

describe('what a run leaves running', () => {
  it('[RN9] can write nothing once its function has ended, and harms nobody', async () => {
    const late = gate();
    const problems: unknown[] = [];
    const all = scene({
      async silent(ctx) {
        void late.passed
          .then(async () => {
            await ctx.mutate('note', { id: 'late', what: '' }).catch((error: unknown) => problems.push(error));
            await ctx.enqueueAction('silent', { id: 'late' }).catch((error: unknown) => problems.push(error));
            ctx.platform.call('x' as never, undefined as never).catch((error: unknown) => problems.push(error));
          })
          .finally(() => problems.push('done'));
        return { ok: true };
      },
    });
    const ann = all.open('ann');
    await ann.action.silent({ id: '' });
    const states: string[] = [];
    ann.status$.subscribe(({ state }) => states.push(state));
    late.open();
    await expect.poll(() => problems.at(-1)).toBe('done');
    expect(problems.slice(0, 2)).toMatchObject([{ code: 'run.fenced' }, { code: 'run.fenced' }]);
    await (
      await ann.mutate.note({ id: 'after', what: '' })
    ).confirmed;
    expect(states).not.toContain('offline');
    expect(
      ann
        .table('log')
        .entries()
        .map(([key]) => key),
    ).toEqual(['after']);
    expect(await openRuns(memoryRelayStorage(all.disk))).toEqual([]);
  });

  it('[RN10] a call that only the relay finds wrong fails alone, and one on a closed store is refused', async () => {
    const all = scene({});
    const ann = all.open('ann');
    await ann.synced;
    // As a page of another version would: what it lets pass, this relay does not know.
    const other = createStore({
      schema: defineSchema({ ...schema, actions: { ...schema.actions, gone: { input: z.object({}), output: z.object({}) } } }),
      mutators,
      room: 'room',
      storage: memoryClientStorage(),
      transports: [all.hub.transport('old')],
      userId: 'old',
    });
    await expect(other.action.gone({}).result).rejects.toMatchObject({ code: 'action.unknown' });
    expect(other.status.state).toBe('online');
    await other.close();
    expect(() => other.action.gone({})).toThrow(expect.objectContaining({ code: 'store.closed' }));
    expect(() => ann.action.answer({ id: 'x'.repeat(200_000), to: '' })).toThrow(
      expect.objectContaining({ code: 'protocol.frameTooLarge' }),
    );
  });
});
