import { expect, it } from 'vitest';
import { acceptance, BIRTH, codeOf, everything, MAX } from './relay-storage.fixtures.ts';
import { expectConflict, type Here } from './relay-storage.place.ts';

const start = { epoch: BIRTH.epoch, after: 0 };

/** Writers that are leased and given back, RS50 to RS50. */
export function leaseRules(here: Here): void {
  const lease = async (owner: string, replica: number) => (await here.storage.leaseWriter('room', owner, replica)).writer;

  it('[RS46] leases the next writer above 1 and all small ones ever seen, to an owner and a replica', async () => {
    await here.storage.openRoom('room', BIRTH);
    const first = { writer: 2, owner: 'ann', last: 0, fenced: false, holder: MAX };
    expect(await here.storage.leaseWriter('room', 'ann', MAX)).toEqual(first);
    expect(await lease('ann\u0000', 8)).toBe(3);
    await here.storage.fence('room', 'eve', [7, 2 ** 31, MAX]);
    expect(await lease('bob', 9)).toBe(8);
    await here.restart();
    expect(await here.storage.writers('room', [2])).toEqual([first]);
    expect(await lease('cid', 10)).toBe(9);
    await here.storage.openRoom('other', BIRTH);
    expect((await here.storage.leaseWriter('other', 'ann', 7)).writer).toBe(2);
  });

  it('[RS47] a replica that holds a writer gets it again, with its numbers, unless it is fenced or it asks as somebody else', async () => {
    await here.storage.openRoom('room', BIRTH);
    expect(await lease('ann', 7)).toBe(2);
    await here.storage.accept('room', start, [acceptance(1, { writer: 2 })]);
    await here.restart();
    expect(await here.storage.leaseWriter('room', 'ann', 7)).toEqual({ writer: 2, owner: 'ann', last: 1, fenced: false, holder: 7 });
    expect(await lease('bob', 7)).toBe(3);
    await here.storage.fence('room', 'ann', [2]);
    expect(await lease('ann', 7)).toBe(4);
    expect(await lease('ann', 7)).toBe(4);
  });

  it('[RS48] the lowest writer that was given back is leased first, to anybody, and its numbers go on', async () => {
    await here.storage.openRoom('room', BIRTH);
    for (const replica of [11, 12, 13]) await lease('ann', replica);
    await here.storage.accept('room', start, [acceptance(1, { writer: 2 })]);
    expect(await here.storage.returnWriter('room', { writer: 3, owner: 'ann', holder: 12, last: 0 })).toBe(true);
    expect(await here.storage.returnWriter('room', { writer: 2, owner: 'ann', holder: 11, last: 1 })).toBe(true);
    await here.restart();
    expect((await here.storage.writers('room', [2]))[0]).toMatchObject({ holder: 0, last: 1 });
    expect(await here.storage.leaseWriter('room', 'bob', 14)).toEqual({ writer: 2, owner: 'bob', last: 1, fenced: false, holder: 14 });
    expect(await lease('ann', 15)).toBe(3);
    expect(await lease('ann', 16)).toBe(5);
    await here.storage.accept('room', { epoch: 1, after: 1 }, [acceptance(2, { writer: 2, owner: 'bob' })]);
  });

  it('[RS49] a writer is given back only as its holder has it, and never when it is fenced or was never leased', async () => {
    await here.storage.openRoom('room', BIRTH);
    await lease('ann', 7);
    await here.storage.accept('room', start, [acceptance(1, { writer: 2 }), acceptance(2, { writer: MAX, number: 1 })]);
    const right = { writer: 2, owner: 'ann', holder: 7, last: 1 };
    const before = await everything(here.storage, 'room');
    for (const change of [
      { owner: 'bob' },
      { holder: 8 },
      { last: 0 },
      { last: 2 },
      { writer: 3 },
      { writer: MAX },
      { writer: MAX, holder: 0 },
    ]) {
      expect(await here.storage.returnWriter('room', { ...right, ...change }), JSON.stringify(change)).toBe(false);
    }
    expect(await everything(here.storage, 'room')).toEqual(before);
    await here.storage.fence('room', 'ann', [2]);
    expect(await here.storage.returnWriter('room', right)).toBe(false);
    expect(await lease('ann', 8)).toBe(3);
  });

  it('[RS50] accept conflicts when a writer was given back, and leasing when the room was never opened', async () => {
    expect(await codeOf(here.storage.leaseWriter('room', 'ann', 7))).toBe('storage.conflict');
    expect(await codeOf(here.storage.returnWriter('room', { writer: 2, owner: 'ann', holder: 7, last: 0 }))).toBe('storage.conflict');
    await here.storage.openRoom('room', BIRTH);
    await lease('ann', 7);
    await here.storage.returnWriter('room', { writer: 2, owner: 'ann', holder: 7, last: 0 });
    await expectConflict(here, 'room', () => here.storage.accept('room', start, [acceptance(1, { writer: 2 })]));
  });
}
