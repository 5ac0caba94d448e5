import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import type { RelayStorage } from 'cotable/relay';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KINDS } from './disk.ts';
import { AT_LOAD, kept, level, mutators, POLL, rowsOf, scene, schema, TIGHT, type Scene } from './scene.ts';

function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
}

async function overwrite(all: Scene, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await all.relay.mutate('room', 'put', { id: `c${n % 2}`, n });
}

describe.each(KINDS)('while a room is compacted (%s)', (kind) => {
  it('[EP6] a run goes on in the same attempt, what it writes is kept once, and its stream goes on for who watches', async () => {
    const next = [gate(), gate(), gate()];
    const attempts: number[] = [];
    const all = await scene(kind, {
      compaction: TIGHT,
      answer: {
        cell: ({ id }) => ({ table: 'notes', key: id, field: 'text' }),
        async run(ctx, { id }) {
          attempts.push(ctx.attempt);
          ctx.broadcastStream('one ');
          await next[0]!.passed;
          // These are enough for compactions of their own, in the middle of them.
          await Promise.all(Array.from({ length: 60 }, (_, n) => ctx.mutate('put', { id: `r${n % 2}`, n })));
          ctx.broadcastStream('two ');
          await next[1]!.passed;
          ctx.broadcastStream(`of ${await ctx.table('notes').count()}`);
          await next[2]!.passed;
          await ctx.mutate('count', { id });
          return { text: 'all' };
        },
        onSettled: (ctx, run) => ctx.table('notes').update(run.input.id, { text: `${run.text}; ${run.status}` }),
      },
    });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await kept(ann.mutate.write({ id: 'a', text: '' }));
    await level(all, ann, ben);
    const seen: string[] = [];
    ben.table('notes').changes$.subscribe((changes) => {
      for (const { key, after } of changes) if (key === 'a' && after) seen.push(after.text);
    });
    const call = ann.action.answer({ id: 'a' });
    await expect.poll(() => ben.table('notes').get('a')?.text, POLL).toBe('one ');
    const { epoch } = await all.stored();
    await overwrite(all, 60);
    next[0]!.open();
    await expect.poll(() => ben.table('notes').get('a')?.text, POLL).toBe('one two ');
    next[1]!.open();
    await expect.poll(() => ben.table('notes').get('a')?.text, POLL).toMatch(/^one two of \d/);
    next[2]!.open();
    await overwrite(all, 60);
    expect(await call.result).toEqual({ text: 'all' });
    await level(all, ann, ben);
    expect((await all.stored()).epoch).toBeGreaterThan(epoch + 3);
    expect(attempts).toEqual([1]);
    const { text = '' } = ben.table('notes').get('a') ?? {};
    expect(text).toMatch(/^one two of \d+; succeeded$/);
    expect(ann.table('notes').get('a')?.text).toBe(text);
    expect(ann.table('counters').get('a')).toEqual({ n: 1 });
    expect(ann.table('counters').get('r1')).toEqual({ n: 59 });
    for (const [index, shown] of seen.entries()) expect(text.startsWith(shown) && (shown !== '' || index === 0), seen.join('|')).toBe(true);
  });

  it('[EP8] and the disk fails, nothing is lost: the room goes on as it was, and is compacted another time', async () => {
    let failing = 0;
    const around = (real: RelayStorage): RelayStorage => ({
      ...real,
      async rebirth(...args) {
        if (failing === 0) return real.rebirth(...args);
        failing -= 1;
        throw Object.assign(new Error('no'), { name: 'CotableError', code: 'storage.unavailable', params: { reason: 'a test' } });
      },
    });
    const all = await scene(kind, { compaction: TIGHT, around });
    const ann = all.open('ann');
    await kept(ann.mutate.write({ id: 'a', text: 'a' }));
    failing = 1;
    const epoch = (await all.stored()).epoch;
    await overwrite(all, 60);
    await level(all, ann);
    expect(failing).toBe(0);
    expect((await all.stored()).epoch).toBe(epoch);
    expect(all.logged).toContain('the room could not be compacted');
    const rows = rowsOf(ann);
    await all.restart({ compaction: AT_LOAD, around });
    await level(all, ann);
    expect((await all.stored()).epoch).toBe(epoch + 1);
    expect(rowsOf(ann)).toEqual(rows);
  });

  it('[EP18] and another relay was first, or a call lost its answer, the room is loaded as it stands', async () => {
    let answers = 'lost';
    const around = (real: RelayStorage): RelayStorage => ({
      ...real,
      async rebirth(...args) {
        await real.rebirth(...args);
        if (answers === 'given') return;
        answers = 'given';
        throw Object.assign(new Error('gone'), { name: 'CotableError', code: 'storage.unavailable', params: { reason: 'a test' } });
      },
    });
    const all = await scene(kind, { compaction: TIGHT, around });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await kept(ann.mutate.write({ id: 'a', text: 'a' }));
    await level(all, ann, ben);
    // The next group is refused by the disk, which throws out the memory of the old epoch.
    for (let n = 0; n < 60; n++) await all.relay.mutate('room', 'put', { id: `c${n % 2}`, n }).catch(() => undefined);
    await kept(ann.mutate.count({ id: 'last' }));
    await level(all, ann, ben);
    expect(answers).toBe('given');
    expect(rowsOf(ben)).toEqual(rowsOf(ann));
    expect(ben.table('counters').get('last')).toEqual({ n: 1 });
  });
});

describe('a relay that was made again', () => {
  it('[EP17] on an empty disk is given nothing of the old room but what is pending, and nothing is doubled', async () => {
    const all = await scene('memory');
    const ann = all.open('ann');
    for (const id of ['a', 'b']) await kept(ann.mutate.write({ id, text: id }));
    await level(all, ann);
    all.hub.setAvailable('ann', false);
    all.hub.cut('ann');
    await (
      await ann.mutate.write({ id: 'pending', text: 'p' })
    ).stored;
    await (
      await ann.mutate.edit({ id: 'pending', stars: 1 })
    ).stored;
    const receipt = await ann.mutate.edit({ id: 'a', stars: 5 });

    // The same hub: the last acceptor that was started takes the links.
    const other = await scene('memory', {}, all.hub);
    const ben = other.open('ben');
    await kept(ben.mutate.write({ id: 'b', text: 'of the new room' }));
    all.hub.setAvailable('ann', true);
    await expect(receipt.confirmed).rejects.toMatchObject({ code: 'test.gone' });
    await level(other, ann, ben);
    expect((await other.stored()).lineage).not.toBe((await all.stored()).lineage);
    const expected = [
      ['b', { id: 'b', text: 'of the new room' }],
      ['pending', { id: 'pending', text: 'p', stars: 1 }],
    ];
    for (const store of [ann, ben]) expect(rowsOf(store)).toEqual({ notes: expected, counters: [] });
    expect(ann.rejections.map(({ error }) => error.code)).toEqual(['test.gone']);
    expect(ann.status.state).toBe('online');

    // The same after a reload, and in a store that was away the whole time.
    const device = memoryClientStorage({ durable: true });
    const cem = createStore({ schema, mutators, room: 'room', storage: device, transports: [all.hub.transport('cem')], userId: 'cem' });
    await level(other, cem);
    await cem.close();
    const third = await scene('memory', {}, all.hub);
    const again = createStore({ schema, mutators, room: 'room', storage: device, transports: [all.hub.transport('cem')], userId: 'cem' });
    onTestFinished(() => again.close());
    await again.ready;
    await level(third, again);
    expect(rowsOf(again)).toEqual({ notes: [], counters: [] });
  });
});
