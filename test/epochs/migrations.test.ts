import { memoryClientStorage } from 'cotable/adapters/memory';
import { defineSchema, table, type JsonObject } from 'cotable';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { KINDS } from './disk.ts';
import { kept, POLL } from './scene.ts';
import { versions } from './versions.ts';

const SEPARATOR = '\u001f';

describe.each(KINDS)('a schema with a higher version (%s)', (kind) => {
  it('[EP11] migrates each living row, one version after the other, and fields keep their clocks', async () => {
    const all = await versions(kind);
    await all.startOld();
    const ann = all.openOld('ann');
    for (const [id, text] of [
      ['a', 'a'],
      ['b', 'b'],
      ['gone', 'x'],
      ['s', 'secret'],
    ] as const)
      await kept(ann.mutate.write({ id, text }));
    await kept(ann.mutate.star({ id: 'a', stars: 7 }));
    await kept(ann.mutate.star({ id: 'b', stars: 7 }));
    await kept(ann.mutate.star({ id: 'b', stars: undefined }));
    await kept(ann.mutate.write({ id: 'b', text: 'edited' }));
    await kept(ann.mutate.drop({ id: 'gone' }));
    await kept(ann.mutate.plain({ id: 'p' }));
    const before = await all.stored();
    await ann.close();

    await all.startPresent();
    const ben = all.openPresent('ben');
    await ben.synced;
    expect(ben.table('notes').entries()).toEqual([
      ['a', { id: 'a', title: 'a', stars: 7, tags: [] }],
      ['b', { id: 'b', title: 'edited', stars: 0, tags: [] }],
    ]);
    expect(ben.table('plain').list()).toEqual([{ id: 'p' }]);
    const after = await all.stored();
    expect(after).toMatchObject({ lineage: before.lineage, epoch: before.epoch + 1, head: before.head, schemaVersion: 3 });
    const [was, is] = [before.table('notes').cells, after.table('notes').cells];
    const clock = (cells: typeof was, ...key: string[]): unknown => cells.get(key.join(SEPARATOR))?.[0];
    for (const key of ['a', 'b', 'gone']) expect(clock(is, key)).toBe(clock(was, key));
    expect(is.get('a')).toEqual([clock(was, 'a'), { id: 'a', title: 'a', tags: [] }]);
    for (const key of ['a', 'b']) expect(clock(is, key, 'stars')).toBe(clock(was, key, 'stars'));
    // What was a field and is not any more: taken away when it was edited, and not there when it was not.
    expect(is.get(`b${SEPARATOR}text`)).toEqual([clock(was, 'b', 'text')]);
    expect(is.get('s')).toHaveLength(1);
    expect(is.get('gone')).toHaveLength(1);

    // It is done once.
    await ben.close();
    const relay = await all.startPresent();
    await relay.mutate('room', 'star', { id: 'a', stars: 8 });
    expect((await all.stored()).epoch).toBe(after.epoch);
  });

  it('[EP12] tells an older store, which keeps reading and keeps its outbox; with new code that runs, and what cannot is rejected with its code', async () => {
    const all = await versions(kind);
    await all.startOld();
    const device = memoryClientStorage({ durable: true });
    const ann = all.openOld('ann', device);
    await kept(ann.mutate.write({ id: 'a', text: 'a' }));
    all.hub.setAvailable('ann', false);
    all.hub.cut('ann');
    await all.startPresent();
    await ann.mutate.write({ id: 'b', text: 'pending' });
    all.hub.setAvailable('ann', true);
    await expect.poll(() => ann.status, POLL).toMatchObject({ state: 'error', pending: 1, reason: { code: 'schema.tooOld' } });
    expect(ann.status.reason?.params).toEqual({ mine: 1, theirs: 3 });
    const doomed = await ann.mutate.write({ id: 'c', text: 'not any more' });
    await (
      await ann.mutate.star({ id: 'a', stars: 3 })
    ).stored;
    const unknown = await ann.mutate.plain({ id: 'p' });
    await unknown.stored;
    expect(ann.table('notes').list()).toMatchObject([{ id: 'a', stars: 3 }, { id: 'b' }, { id: 'c' }]);
    await ann.close();

    const again = all.openPresent('ann', device);
    await again.synced;
    await expect.poll(() => again.status, POLL).toMatchObject({ state: 'online', pending: 0 });
    expect(again.table('notes').list()).toEqual([
      { id: 'a', title: 'a', stars: 3, tags: [] },
      { id: 'b', title: 'pending', stars: 0, tags: ['new'] },
    ]);
    expect(again.rejections.map(({ id, error }) => [id, error.code])).toEqual([
      [doomed.id, 'app.gone'],
      [unknown.id, 'mutation.unknown'],
    ]);
    const ben = all.openPresent('ben');
    await ben.synced;
    expect(ben.table('notes').list()).toEqual(again.table('notes').list());
  });

  it('[EP13] waits for its relay when a store has it first, and the room is left as it is', async () => {
    const all = await versions(kind);
    const relay = await all.startOld();
    await relay.mutate('room', 'write', { id: 'a', text: 'a' });
    const ann = all.openPresent('ann');
    await ann.mutate.write({ id: 'b', text: 'b' });
    await expect.poll(() => ann.status, POLL).toMatchObject({ state: 'error', pending: 1, reason: { code: 'schema.tooNew' } });
    expect(await all.stored()).toMatchObject({ epoch: 1, schemaVersion: 1, head: 1 });
    await all.startPresent();
    all.hub.setAvailable('ann', false);
    all.hub.setAvailable('ann', true);
    await expect.poll(() => ann.status, POLL).toMatchObject({ state: 'online', pending: 0 });
    expect(
      ann
        .table('notes')
        .list()
        .map(({ title, tags }) => [title, ...tags]),
    ).toEqual([['a'], ['b', 'new']]);
  });

  it.each([
    ['throws', []],
    ['no object', [{ message: 'a row is an object', path: [] }]],
    ['no json', [{ message: 'it is an instance of Date, which is not plain JSON', path: ['at'] }]],
    ['does not fit', [{ message: expect.any(String), path: ['stars'] }]],
  ])('[EP14] of which a migration fails (%s) leaves the room closed and as it was, and the others open', async (text, issues) => {
    const all = await versions(kind);
    const relay = await all.startOld();
    await relay.mutate('room', 'write', { id: 'my row', text });
    await relay.mutate('room', 'star', { id: 'my row', stars: 1000 });
    await relay.mutate('room', 'write', { id: 'z', text: 'fine' });
    const before = await all.stored();
    const newer = await all.startPresent();
    const [ann, ben] = [all.openPresent('ann'), all.openPresent('ben', undefined, 'other')];
    await kept(ben.mutate.write({ id: 'b', text: 'b' }));
    await expect.poll(() => ann.status.reason?.code, POLL).toBe('schema.migrationFailed');
    expect(ann.status).toMatchObject({ state: 'error' });
    expect(ann.status.reason?.params).toEqual({ version: 3 });
    const failure = { code: 'schema.migrationFailed', params: { version: 3, table: 'notes', key: 'my row', issues } };
    await expect(newer.mutate('room', 'drop', { id: 'my row' })).rejects.toMatchObject(failure);
    expect(all.logged).toContainEqual(expect.objectContaining({ room: 'room', error: expect.objectContaining(failure) }));
    expect(JSON.stringify({ ...(await all.stored()), table: 0 })).toBe(JSON.stringify({ ...before, table: 0 }));
    expect((await all.stored()).table('notes')).toEqual(before.table('notes'));

    // The older relay still opens it, and can take away what is in the way.
    await (await all.startOld()).mutate('room', 'drop', { id: 'my row' });
    const [mended] = [await all.startPresent()];
    await mended.mutate('room', 'star', { id: 'z', stars: 1 });
    all.hub.setAvailable('ann', false);
    all.hub.setAvailable('ann', true);
    await expect.poll(() => ann.table('notes').list(), POLL).toEqual([{ id: 'z', title: 'fine', stars: 1, tags: [] }]);
  });

  it('[EP15] is never gone back from: an older relay refuses everybody and leaves the room as it is', async () => {
    const all = await versions(kind);
    await (await all.startOld()).mutate('room', 'write', { id: 'a', text: 'a' });
    await (await all.startPresent()).mutate('room', 'write', { id: 'b', text: 'b' });
    const before = await all.stored();
    expect(before.schemaVersion).toBe(3);
    const older = await all.startOld();
    const refusal = { code: 'room.newerSchema', params: { mine: 1, theirs: 3 } };
    await expect(older.mutate('room', 'write', { id: 'c', text: 'c' })).rejects.toMatchObject(refusal);
    const ann = all.openOld('ann');
    await expect.poll(() => ann.status, POLL).toMatchObject({ state: 'error', reason: refusal });
    expect((await all.stored()).table('notes')).toEqual(before.table('notes'));
    await (await all.startPresent()).mutate('room', 'write', { id: 'c', text: 'c' });
    expect(await all.stored()).toMatchObject({ epoch: before.epoch, head: before.head + 1 });
  });
});

describe('the migrations of a table', () => {
  it.each([[0], [1], [1.5], [4], ['x']])('[EP19] that lead to version %s of 3 are schema.invalid', (version) => {
    const notes = { schema: table(z.object({ id: z.string() }), { migrations: { [version]: (row: JsonObject) => row } }) };
    const define = (): unknown => defineSchema({ schemaVersion: 3, tables: { notes }, mutators: {} });
    expect(define).toThrow(
      expect.objectContaining({
        code: 'schema.invalid',
        params: { path: `tables.notes.schema.migrations.${version}`, problem: expect.any(String) },
      }),
    );
  });
});
