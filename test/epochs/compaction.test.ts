import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KINDS, type StoredTable } from './disk.ts';
import { AT_LOAD, kept, level, POLL, rowsOf, scene, TIGHT, type Scene } from './scene.ts';

/** Cells of rows that live. */
function living({ cells }: StoredTable): [string, readonly unknown[]][] {
  return [...cells].filter(([key, cell]) => key.includes('\u001f') || cell.length === 2).sort(([a], [b]) => (a < b ? -1 : 1));
}

const NAMES = ['ann', 'ben', 'cem'] as const;

/** Tried at once, and not after a while. */
function comeBack({ hub }: Scene, name: string): void {
  hub.setAvailable(name, false);
  hub.setAvailable(name, true);
}

async function overwrite(all: Scene, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await all.relay.mutate('room', 'put', { id: `c${n % 2}`, n });
}

describe.each(KINDS)('compaction (%s)', (kind) => {
  it('[EP1] of a room that is loaded leaves rows, clocks and log as they are, and begins a new epoch of the same lineage', async () => {
    const all = await scene(kind);
    const ann = all.open('ann');
    for (const id of ['a', 'b', 'c']) await kept(ann.mutate.write({ id, text: id }));
    for (let n = 0; n < 20; n++) await kept(ann.mutate.edit({ id: 'a', stars: n }));
    await kept(ann.mutate.unstar({ id: 'b' }));
    await kept(ann.mutate.edit({ id: 'c', stars: 1 }));
    await kept(ann.mutate.unstar({ id: 'c' }));
    await overwrite(all, 30);
    await level(all, ann);
    const before = await all.stored();
    const rows = rowsOf(ann);
    await ann.close();

    await all.restart({ compaction: AT_LOAD });
    const ben = all.open('ben');
    await ben.synced;
    expect(rowsOf(ben)).toEqual(rows);
    const after = await all.stored();
    expect(after).toMatchObject({ lineage: before.lineage, epoch: 2, head: before.head, schemaVersion: 1 });
    for (const name of ['notes', 'counters']) expect(living(after.table(name))).toEqual(living(before.table(name)));
    expect(after.table('counters')).toMatchObject({ items: 4, writers: 1 });
    expect(before.table('counters').items).toBeGreaterThan(20);
    expect(after.table('notes').items).toBe(6);
    expect(after.table('notes').bytes).toBeLessThan(before.table('notes').bytes / 2);

    // There is nothing to be gained any more.
    await ben.close();
    await all.restart({ compaction: AT_LOAD });
    await all.relay.mutate('room', 'write', { id: 'd', text: '' });
    expect((await all.stored()).epoch).toBe(2);
  });

  it('[EP3] of a room in use is seen by nobody: stores come back by themselves, equal rows stay the same objects, and observers hear nothing of them', async () => {
    const all = await scene(kind, { compaction: { ...TIGHT, minItems: 60 } });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await kept(ann.mutate.write({ id: 'still', text: 'never changes' }));
    await level(all, ann, ben);
    const heard: string[] = [];
    ben.table('notes').changes$.subscribe((changes) => heard.push(...changes.map(({ key }) => key)));
    const row = ben.table('notes').get('still');
    const { epoch } = await all.stored();
    for (let n = 0; (await all.stored()).epoch < epoch + 3; n++) {
      expect(n).toBeLessThan(1000);
      // Items of one key and one writer would be one.
      await all.relay.mutate('room', 'put', { id: `c${n % 2}`, n });
    }
    await level(all, ann, ben);
    expect(ben.table('notes').get('still')).toBe(row);
    expect(heard.filter((key) => !key.startsWith('mark-'))).toEqual([]);
    expect(rowsOf(ben)).toEqual(rowsOf(ann));
    await kept(ben.mutate.edit({ id: 'still', text: 'but now' }));
    await level(all, ann);
    expect(ann.table('notes').get('still')?.text).toBe('but now');
  });

  it('[EP4] is caught up with by a store that was offline: what it has pending takes effect once, also after a reload', async () => {
    const all = await scene(kind, { compaction: TIGHT });
    const device = memoryClientStorage({ durable: true });
    const [ann, ben, cem] = [all.open('ann', device), all.open('ben'), all.open('cem')];
    await kept(ann.mutate.write({ id: 'a', text: 'a' }));
    await level(all, ann, ben, cem);
    for (const name of ['ann', 'ben']) {
      all.hub.setAvailable(name, false);
      all.hub.cut(name);
    }
    for (const [id, store] of [
      ['of ann', ann],
      ['of ben', ben],
    ] as const) {
      for (let n = 0; n < 5; n++) await (await store.mutate.count({ id })).stored;
      await (
        await store.mutate.edit({ id: 'a', text: 'edited' })
      ).stored;
    }
    await ann.close();
    await overwrite(all, 60);
    expect((await all.stored()).epoch).toBeGreaterThan(2);
    for (const name of ['ann', 'ben']) all.hub.setAvailable(name, true);
    const again = all.open('ann', device);
    await level(all, again, ben, cem);
    for (const store of [again, ben, cem]) {
      for (const id of ['of ann', 'of ben']) expect(store.table('counters').get(id)).toEqual({ n: 5 });
      expect(store.table('notes').get('a')).toEqual({ id: 'a', text: 'edited' });
      expect(store.rejections).toEqual([]);
    }
  });

  it('[EP5] in the middle of sending loses nothing and doubles nothing', { timeout: 60_000 }, async () => {
    const all = await scene(kind, { compaction: { ...TIGHT, minItems: 60 } });
    const stores = NAMES.map((name) => all.open(name));
    await level(all, ...stores);
    const receipts: Promise<void>[] = [];
    for (let round = 0; round < 60; round++) {
      for (const [index, store] of stores.entries()) {
        for (let n = 0; n < 4; n++) receipts.push(kept(store.mutate.count({ id: `of ${index} ${n % 2}` })));
        // Frames of the old epoch are on their way, and some go with their link.
        if (round % 10 === index) all.hub.hold(NAMES[index]!);
        if (round % 10 === index + 4) all.hub.release(NAMES[index]!);
        if (round % 15 === index) all.hub.cut(NAMES[index]);
      }
      await all.relay.mutate('room', 'put', { id: 'other', n: round });
    }
    for (const name of NAMES) all.hub.release(name);
    const done = Promise.all(receipts);
    const nudge = setInterval(() => stores.forEach((store, index) => store.status.state === 'offline' && comeBack(all, NAMES[index]!)), 20);
    onTestFinished(() => clearInterval(nudge));
    await done;
    await level(all, ...stores);
    expect((await all.stored()).epoch).toBeGreaterThan(3);
    for (const store of stores) {
      expect(store.table('counters').entries()).toEqual([
        ...['of 0 0', 'of 0 1', 'of 1 0', 'of 1 1', 'of 2 0', 'of 2 1'].map((id) => [id, { n: 120 }]),
        ['other', { n: 59 }],
      ]);
      expect(store.rejections).toEqual([]);
    }
  });

  it('[EP7] keeps memory and bytes in proportion to the rows: 100,000 overwrites of two keys end small', { timeout: 240_000 }, async () => {
    const all = await scene(kind, { compaction: { restMs: 0 } });
    const ann = all.open('ann');
    await level(all, ann);
    // One disk is enough to see it at length.
    const count = kind === 'memory' ? 100_000 : 20_000;
    for (let from = 0; from < count; from += 1000) {
      await Promise.all(Array.from({ length: 1000 }, (_, n) => all.relay.mutate('room', 'put', { id: `c${(from + n) % 2}`, n: from + n })));
    }
    await level(all, ann);
    const { epoch, head, table } = await all.stored();
    expect(head).toBeGreaterThan(count);
    expect(epoch).toBeGreaterThan(count / 10_000);
    // The log behind the last snapshot counts too.
    expect(table('counters').items).toBeLessThan(7_000);
    expect(table('counters').bytes).toBeLessThan(500_000);
    expect(ann.table('counters').entries()).toEqual([
      ['c0', { n: count - 2 }],
      ['c1', { n: count - 1 }],
    ]);
    await ann.close();
    await all.restart({ compaction: AT_LOAD });
    await all.relay.mutate('room', 'put', { id: 'c0', n: 1 });
    const small = (await all.stored()).table('counters');
    expect(small.items).toBeLessThan(8);
    expect(small.bytes).toBeLessThan(300);
  });

  it('[EP10] comes with many writers too, and after a rest', async () => {
    const all = await scene(kind, { compaction: { writers: 5, minItems: 5, restMs: 0 } });
    for (let n = 0; n < 12; n++) {
      // One that is closed gives its writer back, for the next to write as.
      await kept(all.open(`user ${n}`).mutate.put({ id: `c${n}`, n }));
    }
    const busy = await all.stored();
    expect(busy.epoch).toBeGreaterThan(1);
    expect(busy.table('counters').writers).toBeLessThan(8);

    await all.restart({ compaction: { ...TIGHT, restMs: 1e9 } });
    await overwrite(all, 100);
    const { epoch } = await all.stored();
    // Once when it was due for the first time, and then not again for so long.
    expect(epoch - busy.epoch).toBeLessThanOrEqual(2);
    const ann = all.open('ann');
    await expect.poll(() => ann.table('counters').get('c1'), POLL).toEqual({ n: 99 });
  });

  it('[EP9] keeps young deletes: what was made before one does not come back, and old ones are gone', async () => {
    const all = await scene(kind);
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await level(all, ann, ben);
    all.hub.setAvailable('ben', false);
    all.hub.cut('ben');
    await ben.mutate.write({ id: 'a', text: 'made offline' });
    await kept(ann.mutate.write({ id: 'a', text: 'made online' }));
    await kept(ann.mutate.drop({ id: 'a' }));
    await all.restart({ compaction: AT_LOAD });
    all.hub.setAvailable('ben', true);
    await level(all, ben);
    expect((await all.stored()).epoch).toBe(2);
    expect(ben.table('notes').has('a')).toBe(false);
    expect((await all.stored()).table('notes').cells.get('a')).toHaveLength(1);

    // Of what was deleted before the last thing that happened nothing is kept any more.
    await all.relay.mutate('room', 'write', { id: 'b', text: '' });
    await all.restart({ compaction: { ...AT_LOAD, keepDeletesMs: 0 } });
    await all.relay.mutate('room', 'write', { id: 'c', text: '' });
    expect((await all.stored()).table('notes').cells.has('a')).toBe(false);
  });
});
