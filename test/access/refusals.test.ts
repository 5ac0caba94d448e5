import { defineAccess, isCotableError, reject, type Access } from 'cotable';
import { describe, expect, it } from 'vitest';
import { createWorld, kept, level, schema, when, type S } from '../spec/support.ts';

/** Only who has a note's title for a name may change it; nobody deletes a starred one. */
const access = defineAccess<typeof schema>({
  tables: {
    notes: {
      insert: (_, { after }) => after.title !== 'forbidden',
      update: (ctx, { before, fields }) => !fields.includes('title') || before.title === ctx.userId,
      delete: (_, { before }) => before.stars === 0 || reject('note.starred', { stars: before.stars }),
    },
  },
});

describe('a mutation that a rule forbids', () => {
  it('[AC1] is refused on the device at once, and nothing has happened', async () => {
    const world = createWorld();
    const alice = world.openOffline('alice', { access });
    await alice.ready;
    const error: unknown = await alice.mutate.note({ id: 'a', title: 'forbidden' }).catch((caught: unknown) => caught);
    expect(isCotableError(error, 'access.denied') && error.params).toEqual({ table: 'notes', key: 'a', fields: ['id', 'title', 'stars'] });
    expect(alice.table('notes').count()).toBe(0);
    expect(alice.status.pending).toBe(0);
  });

  it('[AC2] is refused by the relay on what it really changes, and undone where it was made, and nobody else ever sees it', async () => {
    const world = createWorld({ access });
    const [alice, bob] = [world.open('alice'), world.open('bob')];
    await level(alice, bob);
    const seen: string[] = [];
    bob.table('notes').rows$.subscribe((rows) => seen.push(...rows.map((row) => row.title)));
    await kept(alice.mutate.note({ id: 'a', title: 'forbidden or not' }));
    const receipt = await alice.mutate.note({ id: 'b', title: 'forbidden' });
    expect(alice.table('notes').get('b')?.title).toBe('forbidden');
    await expect(receipt.confirmed).rejects.toMatchObject({ code: 'access.denied', params: { table: 'notes', key: 'b' } });
    expect(alice.table('notes').get('b')).toBeUndefined();
    await level(alice, bob);
    expect(alice.rejections.map(({ name, error }) => [name, error.code])).toEqual([['note', 'access.denied']]);
    expect(seen).not.toContain('forbidden');
  });

  it('[AC3] in the middle of a long outbox holds up nothing behind it', async () => {
    const world = createWorld({ access });
    const alice = world.openOffline('alice');
    await alice.ready;
    for (let n = 0; n < 30; n++) await alice.mutate.note({ id: `n${n}`, title: n % 10 === 5 ? 'forbidden' : `note ${n}` });
    await alice.mutate.edit({ id: 'n5', stars: 3 });
    await alice.mutate.edit({ id: 'n6', stars: 3 });
    world.comeBack('alice');
    await level(alice);
    expect(alice.table('notes').count()).toBe(27);
    expect(alice.table('notes').get('n6')?.stars).toBe(3);
    expect(alice.rejections.map(({ error }) => error.code).toSorted()).toEqual([
      'access.denied',
      'access.denied',
      'access.denied',
      'row.notFound',
    ]);
  });

  it('[AC4] is refused with the code that its rule rejects with', async () => {
    const world = createWorld({ access });
    const alice = world.open('alice');
    await level(alice);
    await kept(alice.mutate.note({ id: 'a', title: 'alice' }));
    await kept(alice.mutate.edit({ id: 'a', stars: 2, title: 'bob' }));
    await expect(kept(alice.mutate.drop({ id: 'a' }))).rejects.toMatchObject({ code: 'note.starred', params: { stars: 2 } });
    await expect(kept(alice.mutate.edit({ id: 'a', title: 'carol' }))).rejects.toMatchObject({ code: 'access.denied' });
    await level(alice);
    expect(alice.table('notes').get('a')).toMatchObject({ title: 'bob', stars: 2 });
  });

  it('[AC5] stays refused when it is sent again, also to a relay that was restarted without the rule', async () => {
    const world = createWorld({ access });
    const alice = world.open('alice');
    await level(alice);
    const receipt = await alice.mutate.note({ id: 'a', title: 'forbidden' });
    await receipt.confirmed.catch(() => undefined);
    await world.restart({ access: {} });
    const outcomes = await world.storage.outcomes('room', [keyOfId(receipt.id)]);
    expect(outcomes).toMatchObject([{ refused: { code: 'access.denied' } }]);
    await level(alice);
    expect(alice.table('notes').count()).toBe(0);
  });

  it('[AC6] a rule that throws, or answers with anything but true, allows nothing', async () => {
    const rules: Access<S>[] = [
      { tables: { notes: { insert: () => JSON.parse('{') as boolean } } },
      { tables: { notes: { insert: () => JSON.parse('1') as boolean } } },
      { tables: { notes: { insert: () => Promise.resolve(true) as unknown as boolean } } },
    ];
    for (const rule of rules) {
      const world = createWorld();
      const alice = world.openOffline('alice', { access: rule });
      await expect(alice.mutate.note({ id: 'a', title: 't' })).rejects.toMatchObject({ code: 'access.denied' });
    }
  });
});

describe('the outbox', () => {
  it('[OB1] lists what is pending, oldest first, and says what was sent', async () => {
    const world = createWorld();
    const alice = world.openOffline('alice');
    await alice.ready;
    await alice.mutate.note({ id: 'a', title: 'one' });
    await alice.mutate.note({ id: 'b', title: 'two' });
    expect(alice.outbox.map(({ name, input, state }) => [name, input, state])).toEqual([
      ['note', { id: 'a', title: 'one' }, 'waiting'],
      ['note', { id: 'b', title: 'two' }, 'waiting'],
    ]);
    const sent = when(alice.outbox$, (items) => items.some(({ state }) => state === 'sent'));
    const empty = when(alice.outbox$, (items) => items.length === 0);
    world.comeBack('alice');
    await sent;
    await empty;
  });
});

function keyOfId(id: string): { replica: number; counter: number } {
  const [replica = '', counter = ''] = id.split('-');
  return { replica: Number.parseInt(replica, 36), counter: Number(counter) };
}
