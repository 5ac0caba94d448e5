import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { keyOf } from './faults.ts';
import { collect, createWorld, kept, rowsOf, upToDate, when, type TestStore, type World } from './support.ts';

const MUTED = { code: 'chat.muted', params: { until: 5 } };

/** A world in which bob is online, and alice offline with what she has seen before. */
async function apart(storage = memoryClientStorage({ durable: true })): Promise<{ world: World; alice: TestStore; bob: TestStore }> {
  const world = createWorld();
  const [alice, bob] = [world.open('alice', { storage }), world.open('bob')];
  await kept(alice.mutate.note({ id: 'a', title: 'A' }));
  await upToDate(world, alice, bob);
  world.goOffline('alice');
  return { world, alice, bob };
}

/** The relay has judged the mutation before it ever comes: it is refused. */
function refuse(world: World, id: string): Promise<void> {
  return world.storage.refuse('room', [{ mark: keyOf(id), refusal: MUTED }]);
}

describe('a mutation that the relay refuses', () => {
  test('[CV15] is rolled back in its author’s store; the later ones go on, and nobody else ever saw it', async () => {
    const { world, alice, bob } = await apart();
    const refused = await alice.mutate.note({ id: 'r', title: 'refused' });
    const later = await alice.mutate.note({ id: 'l', title: 'later' });
    await refuse(world, refused.id);
    const seen = collect(bob.table('notes').row$('r'));
    world.comeBack('alice');
    await expect(refused.confirmed).rejects.toMatchObject({ name: 'CotableError', ...MUTED });
    expect(alice.table('notes').has('r')).toBe(false);
    await later.confirmed;
    await upToDate(world, alice, bob);
    expect(seen).toEqual([{ row: undefined, pending: false }]);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(
      bob
        .table('notes')
        .entries()
        .map(([key]) => key),
    ).toEqual(['a', 'l']);
  });

  test('[CV16] rejects after the rollback: what was made on top of it has been made anew by then', async () => {
    const { world, alice } = await apart();
    const refused = await alice.mutate.count({ id: 'c', by: 10 });
    const later = await alice.mutate.count({ id: 'c', by: 1 });
    expect(alice.table('counters').get('c')).toEqual({ n: 11 });
    await refuse(world, refused.id);
    const seen = refused.confirmed.catch(() => alice.table('counters').get('c'));
    world.comeBack('alice');
    expect(await seen).toEqual({ n: 1 });
    await later.confirmed;
  });

  test('[CV17] tells every observer what the rollback changed', async () => {
    const { world, alice } = await apart();
    const refused = await alice.mutate.note({ id: 'r', title: 'refused' });
    const edit = await alice.mutate.edit({ id: 'a', title: 'refused' });
    await refuse(world, refused.id);
    await refuse(world, edit.id);
    const notes = alice.table('notes');
    const [lists, changes, created, edited] = [
      collect(notes.rows$),
      collect(notes.changes$),
      collect(notes.row$('r')),
      collect(notes.row$('a')),
    ];
    world.comeBack('alice');
    await upToDate(world, alice);
    const a = { id: 'a', title: 'A', stars: 0 };
    expect(lists.at(-1)).toEqual([a]);
    expect(changes.flat().toSorted((one, other) => (one.key < other.key ? -1 : 1))).toEqual([
      { key: 'a', before: { ...a, title: 'refused' }, after: a },
      { key: 'r', before: { id: 'r', title: 'refused', stars: 0 }, after: undefined },
    ]);
    expect(created.at(-1)).toEqual({ row: undefined, pending: false });
    expect(edited.at(-1)).toEqual({ row: a, pending: false });
  });

  test('[CV18] takes those with it that cannot run without it', async () => {
    const { world, alice, bob } = await apart();
    const refused = await alice.mutate.note({ id: 'r', title: 'refused' });
    const edit = await alice.mutate.edit({ id: 'r', title: 'edited' });
    const later = await alice.mutate.count({ id: 'c' });
    await refuse(world, refused.id);
    world.comeBack('alice');
    await expect(refused.confirmed).rejects.toMatchObject(MUTED);
    await expect(edit.confirmed).rejects.toMatchObject({ code: 'row.notFound', params: { table: 'notes', key: 'r' } });
    await later.confirmed;
    await upToDate(world, alice, bob);
    expect(alice.rejections.map(({ id, name, error }) => [id, name, error.code])).toEqual([
      [refused.id, 'note', 'chat.muted'],
      [edit.id, 'edit', 'row.notFound'],
    ]);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
  });

  test('[CV18] while the store is online is refused all the same, and the store comes back', async () => {
    const { world, alice, bob } = await apart();
    world.comeBack('alice');
    await upToDate(world, alice);
    // The relay learns of the mark only when the mutation is there already.
    const { id } = await alice.mutate.count({ id: 'c' });
    const [name, counter] = id.split('-');
    await refuse(world, `${name}-${Number(counter) + 1}`);
    const refused = await alice.mutate.note({ id: 'r', title: 'refused' });
    await expect(refused.confirmed).rejects.toMatchObject(MUTED);
    await upToDate(world, alice, bob);
    expect(rowsOf(alice)).toEqual(rowsOf(bob));
    expect(bob.table('notes').has('r')).toBe(false);
  });
});

describe('rejections', () => {
  test('[CV19] hold what was refused until it is dismissed, after a reload too', async () => {
    const storage = memoryClientStorage({ durable: true });
    const { world, alice } = await apart(storage);
    const lists = collect(alice.rejections$);
    const { id } = await alice.mutate.note({ id: 'r', title: 'refused', body: 'text' });
    await refuse(world, id);
    expect(lists).toEqual([[]]);
    world.comeBack('alice');
    await upToDate(world, alice);
    const rejection = { id, name: 'note', input: { id: 'r', title: 'refused', body: 'text' }, error: MUTED };
    expect(alice.rejections).toMatchObject([rejection]);
    expect(lists.at(-1)).toBe(alice.rejections);
    await alice.close();
    const again = world.open('alice', { storage });
    await again.ready;
    expect(again.rejections).toMatchObject([rejection]);
    expect(again.status.pending).toBe(0);
    await again.rejections[0]?.dismiss();
    expect(again.rejections).toEqual([]);
    await again.close();
    const cleaned = world.open('alice', { storage });
    await cleaned.ready;
    expect(cleaned.rejections).toEqual([]);
  });

  test('[CV20] retry makes the mutation again as a new one, and dismisses what it was', async () => {
    const { world, alice, bob } = await apart();
    const refused = await alice.mutate.note({ id: 'r', title: 'refused' });
    await refuse(world, refused.id);
    world.comeBack('alice');
    const [rejection] = await when(alice.rejections$, (list) => list.length === 1);
    const receipt = await rejection?.retry();
    expect(receipt?.id).not.toBe(refused.id);
    expect(alice.rejections).toEqual([]);
    await receipt?.confirmed;
    await upToDate(world, alice, bob);
    expect(bob.table('notes').get('r')).toEqual({ id: 'r', title: 'refused', stars: 0 });
  });

  test('[CV20] retry that throws leaves the rejection where it is', async () => {
    const { world, alice } = await apart();
    const note = await alice.mutate.note({ id: 'r', title: 'R' });
    const edit = await alice.mutate.edit({ id: 'r', title: 'R2' });
    await refuse(world, note.id);
    world.comeBack('alice');
    await upToDate(world, alice);
    const rejection = alice.rejections.find(({ id }) => id === edit.id);
    await expect(rejection?.retry()).rejects.toMatchObject({ code: 'row.notFound' });
    expect(alice.rejections.map(({ id }) => id)).toEqual([note.id, edit.id]);
  });

  test('[CV21] a mutation that cannot run again on what the relay holds is one of them', async () => {
    const storage = memoryClientStorage({ durable: true });
    const { world, alice, bob } = await apart(storage);
    const edit = await alice.mutate.edit({ id: 'a', title: 'by alice' });
    const other = await alice.mutate.count({ id: 'c' });
    await refuse(world, other.id);
    await kept(bob.mutate.drop({ id: 'a' }));
    world.comeBack('alice');
    await expect(other.confirmed).rejects.toMatchObject(MUTED);
    await expect(edit.confirmed).rejects.toMatchObject({ code: 'row.notFound' });
    await upToDate(world, alice, bob);
    expect(alice.rejections.map(({ name }) => name).toSorted()).toEqual(['count', 'edit']);
  });
});
