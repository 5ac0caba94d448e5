import { expect, it } from 'vitest';
import { acceptance, BIRTH, bytesOf, everything, filledRoom, MAX, REFUSAL, run } from './relay-storage.fixtures.ts';
import { expectConflict, type Here } from './relay-storage.place.ts';

const start = { epoch: BIRTH.epoch, after: 0 };

/** Each other call for itself, RS1 to RS4, RS15 to RS24 and RS37. */
export function roomRules(here: Here): void {
  it('[RS1] what a resolved call wrote is there after a restart', async () => {
    await here.storage.openRoom('room', BIRTH);
    await here.storage.accept('room', start, [acceptance(1, { runs: [run('run-1', 10)] }), acceptance(2)]);
    await here.storage.refuse('room', [{ mark: { replica: 2, counter: 1 }, refusal: REFUSAL }]);
    await here.storage.fence('room', 'ann', [1, 2]);
    await here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('snapshot') });
    const before = await everything(here.storage, 'room');
    await here.restart();
    expect(await everything(here.storage, 'room')).toEqual(before);
    await here.restart();
    await here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3, { writer: 3, number: 1 })]);
    expect((await here.storage.openRoom('room', BIRTH)).head).toBe(3);
  });

  it('[RS2] the description is for people and not empty', () => {
    expect(here.storage.description).toMatch(/\w/);
  });

  it('[RS3] openRoom makes a room that is not there with the birth it is given', async () => {
    expect(await here.storage.openRoom('room', BIRTH)).toEqual({ ...BIRTH, head: 0, snapshot: undefined });
  });

  it('[RS4] openRoom tells a room that is there as it stands, whatever the birth', async () => {
    await filledRoom(here.storage, 'room', 2);
    const other = { lineage: 8, epoch: 9, schemaVersion: 3 };
    expect(await here.storage.openRoom('room', other)).toEqual({ ...BIRTH, head: 2, snapshot: undefined });
  });

  it('[RS15] entries are those above `after`, ascending, at most `limit` of them', async () => {
    await filledRoom(here.storage, 'room', 12);
    const seqs = async (after: number, limit: number) => (await here.storage.entries('room', after, limit)).map(({ seq }) => seq);
    expect(await seqs(0, 3)).toEqual([1, 2, 3]);
    expect(await seqs(3, 2)).toEqual([4, 5]);
    expect(await seqs(9, 100)).toEqual([10, 11, 12]);
    expect(await seqs(11, Infinity)).toEqual([12]);
    expect(await seqs(12, 100)).toEqual([]);
    expect(await seqs(MAX, MAX)).toEqual([]);
    expect(await seqs(0, 0)).toEqual([]);
    expect((await here.storage.entries('room', 4, 1))[0]?.bytes).toEqual(bytesOf('entry 5'));
  });

  it('[RS16] outcomes come in the order asked, undefined for what was never judged', async () => {
    await filledRoom(here.storage, 'room', 2);
    await here.storage.refuse('room', [{ mark: { replica: 2, counter: 1 }, refusal: REFUSAL }]);
    const [accepted, refused, unknown] = [
      { replica: 1, counter: 2 },
      { replica: 2, counter: 1 },
      { replica: 2, counter: 2 },
    ];
    expect(await here.storage.outcomes('room', [unknown, refused, accepted, unknown, accepted])).toEqual([
      undefined,
      { refused: REFUSAL },
      { seq: 2 },
      undefined,
      { seq: 2 },
    ]);
    expect(await here.storage.outcomes('room', [])).toEqual([]);
  });

  it('[RS37] the last counter of a replica is its highest that was accepted or refused, 0 for none, in the order asked', async () => {
    expect(await here.storage.lastCounters('room', [1, 2])).toEqual([0, 0]);
    await filledRoom(here.storage, 'room', 2);
    const marks = [
      { replica: 2, counter: 12 },
      { replica: 2, counter: 9 },
      { replica: 3, counter: MAX },
      { replica: 12, counter: 1 },
    ];
    await here.storage.refuse(
      'room',
      marks.map((mark) => ({ mark, refusal: REFUSAL })),
    );
    await here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3, { replica: 2, counter: 11 })]);
    expect(await here.storage.lastCounters('room', [3, 1, 2, 4, 1])).toEqual([MAX, 2, 12, 0, 2]);
    expect(await here.storage.lastCounters('room', [])).toEqual([]);
    expect(await here.storage.lastCounters('other', [1])).toEqual([0]);
    await here.restart();
    expect(await here.storage.lastCounters('room', [1, 2, 3])).toEqual([2, 12, MAX]);
  });

  it('[RS17] a refusal is told again for ever as it was given', async () => {
    await here.storage.openRoom('room', BIRTH);
    const refusals = [
      REFUSAL,
      { code: 'a.b', params: {} },
      { code: 'a.c', params: { text: '"\\\u0000\u2028\ud800', deep: { list: [1.5, true] } } },
    ];
    const marks = refusals.map((_, index) => ({ replica: 1, counter: index + 1 }));
    await here.storage.refuse(
      'room',
      refusals.map((refusal, index) => ({ mark: marks[index]!, refusal })),
    );
    await here.storage.refuse('room', []);
    await here.restart();
    expect(await here.storage.outcomes('room', marks)).toEqual(refusals.map((refused) => ({ refused })));
  });

  it('[RS18] a mutation that is marked already keeps its first mark', async () => {
    await filledRoom(here.storage, 'room', 1);
    const other = { code: 'other.code', params: {} };
    const [accepted, refused] = [
      { replica: 1, counter: 1 },
      { replica: 1, counter: 2 },
    ];
    await here.storage.refuse('room', [
      { mark: accepted, refusal: other },
      { mark: refused, refusal: REFUSAL },
      { mark: refused, refusal: other },
    ]);
    await here.storage.refuse('room', [{ mark: refused, refusal: other }]);
    expect(await here.storage.outcomes('room', [accepted, refused])).toEqual([{ seq: 1 }, { refused: REFUSAL }]);
  });

  it('[RS19] writers come in the order asked, undefined for those never seen', async () => {
    await filledRoom(here.storage, 'room', 2);
    await here.storage.fence('room', 'bob', [4]);
    const [ann, bob] = [
      { writer: 1, owner: 'ann', last: 2, fenced: false },
      { writer: 4, owner: 'bob', last: 0, fenced: true },
    ];
    expect(await here.storage.writers('room', [4, 3, 1, 4])).toEqual([bob, undefined, ann, bob]);
    expect(await here.storage.writers('room', [])).toEqual([]);
  });

  it('[RS20] a fenced writer stays fenced, and its number stays what it was', async () => {
    await filledRoom(here.storage, 'room', 2);
    await here.storage.fence('room', 'ann', [1]);
    await here.storage.fence('room', 'ann', [1, 1]);
    await here.storage.fence('room', 'ann', []);
    await here.restart();
    expect(await here.storage.writers('room', [1])).toEqual([{ writer: 1, owner: 'ann', last: 2, fenced: true }]);
    await expectConflict(here, 'room', () => here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3)]));
  });

  it('[RS21] a writer can be fenced before it was ever seen', async () => {
    await here.storage.openRoom('room', BIRTH);
    await here.storage.fence('room', 'ann', [5]);
    expect(await here.storage.writers('room', [5])).toEqual([{ writer: 5, owner: 'ann', last: 0, fenced: true }]);
    await expectConflict(here, 'room', () => here.storage.accept('room', start, [acceptance(1, { writer: 5 })]));
  });

  it('[RS22] fencing leaves the writers of another owner alone', async () => {
    await filledRoom(here.storage, 'room', 2);
    await here.storage.fence('room', 'bob', [1, 2]);
    await here.storage.fence('room', '', [1]);
    expect((await here.storage.writers('room', [1, 2])).map((state) => [state?.owner, state?.fenced])).toEqual([
      ['ann', false],
      ['bob', true],
    ]);
    await here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3)]);
  });

  it('[RS23] a newer snapshot takes the place of the older, and the log stays', async () => {
    await filledRoom(here.storage, 'room', 3);
    await here.storage.saveSnapshot('room', { seq: 1, bytes: new Uint8Array(0) });
    expect((await here.storage.openRoom('room', BIRTH)).snapshot).toEqual({ seq: 1, bytes: new Uint8Array(0) });
    const large = { seq: 3, bytes: new Uint8Array(2_000_000).fill(9) };
    await here.storage.saveSnapshot('room', large);
    await here.restart();
    const { snapshot } = await here.storage.openRoom('room', BIRTH);
    expect(snapshot?.seq).toBe(3);
    // Not toEqual, which takes seconds over so many bytes.
    expect(Buffer.compare(snapshot!.bytes, large.bytes)).toBe(0);
    expect(await here.storage.entries('room', 0, 9)).toHaveLength(3);
  });

  it('[RS24] a snapshot that is not newer is ignored', async () => {
    await filledRoom(here.storage, 'room', 3);
    await here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('kept') });
    await here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('same') });
    await here.storage.saveSnapshot('room', { seq: 1, bytes: bytesOf('older') });
    expect((await here.storage.openRoom('room', BIRTH)).snapshot).toEqual({ seq: 2, bytes: bytesOf('kept') });
  });
}
