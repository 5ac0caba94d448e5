import { expect, it } from 'vitest';
import { acceptance, acceptances, BIRTH, bytesOf, codeOf, everything, filledRoom, MAX, REFUSAL, run } from './relay-storage.fixtures.ts';
import { openRuns } from '../fixtures/open-runs.ts';
import { type Here } from './relay-storage.place.ts';

const start = { epoch: BIRTH.epoch, after: 0 };

/** What holds for calls of every kind, RS26 to RS36. */
export function callRules(here: Here): void {
  it('[RS26] calls take effect in the order they were made, without waiting for each other', async () => {
    const at = (after: number) => ({ epoch: 1, after });
    const answers = await Promise.allSettled([
      here.storage.openRoom('room', BIRTH),
      here.storage.accept('room', at(0), [acceptance(1)]),
      here.storage.entries('room', 0, 9),
      here.storage.accept('room', at(0), [acceptance(1, { counter: 2, number: 2 })]),
      here.storage.accept('room', at(1), [acceptance(2)]),
      here.storage.fence('room', 'ann', [1]),
      here.storage.accept('room', at(2), [acceptance(3)]),
      here.storage.refuse('room', [{ mark: { replica: 1, counter: 3 }, refusal: REFUSAL }]),
      here.storage.outcomes(
        'room',
        acceptances(1, 4).map(({ mark }) => mark),
      ),
      here.storage.writers('room', [1]),
      here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('snapshot') }),
      here.storage.openRoom('room', BIRTH),
    ]);
    expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : (answer.reason as { code: string }).code))).toEqual([
      { ...BIRTH, head: 0, snapshot: undefined },
      undefined,
      [{ seq: 1, bytes: bytesOf('entry 1') }],
      'storage.conflict',
      undefined,
      undefined,
      'storage.conflict',
      undefined,
      [{ seq: 1 }, { seq: 2 }, { refused: REFUSAL }, undefined],
      [{ writer: 1, owner: 'ann', last: 2, fenced: true }],
      undefined,
      { ...BIRTH, head: 2, snapshot: { seq: 2, bytes: bytesOf('snapshot') } },
    ]);
  });

  it('[RS27] many callers in many rooms at once lose nothing', async () => {
    const rooms = Array.from({ length: 40 }, (_, index) => `room ${index}`);
    await Promise.all(
      rooms.map(async (room, index) => {
        await here.storage.openRoom(room, BIRTH);
        for (let after = 0; after < 25; after++) {
          const made = here.storage.accept(room, { epoch: 1, after }, [acceptance(after + 1, { bytes: bytesOf(`${index}/${after}`) })]);
          // A rival at the same place: exactly one of the two is kept.
          expect(await codeOf(here.storage.accept(room, { epoch: 1, after }, [acceptance(after + 1, { replica: 2 })]))).toBe(
            'storage.conflict',
          );
          await made;
        }
      }),
    );
    await here.restart();
    for (const [index, room] of rooms.entries()) {
      const entries = await here.storage.entries(room, 0, 100);
      expect(entries).toEqual(Array.from({ length: 25 }, (_, after) => ({ seq: after + 1, bytes: bytesOf(`${index}/${after}`) })));
    }
  });

  it('[RS28] bytes are copied within the call', async () => {
    await here.storage.openRoom('room', BIRTH);
    const whole = bytesOf('whole');
    const wide = bytesOf('before-inside-after');
    const shared = new Uint8Array(new SharedArrayBuffer(6));
    shared.set(bytesOf('shared'));
    const snapshot = bytesOf('snapshot');
    const calls = [
      here.storage.accept('room', start, [
        acceptance(1, { bytes: whole }),
        acceptance(2, { bytes: wide.subarray(7, 13) }),
        acceptance(3, { bytes: shared }),
      ]),
      here.storage.saveSnapshot('room', { seq: 2, bytes: snapshot }),
    ];
    for (const bytes of [whole, wide, shared, snapshot]) bytes.fill(0);
    await Promise.all(calls);
    expect((await here.storage.entries('room', 0, 9)).map(({ bytes }) => bytes)).toEqual([
      bytesOf('whole'),
      bytesOf('inside'),
      bytesOf('shared'),
    ]);
    expect((await here.storage.openRoom('room', BIRTH)).snapshot?.bytes).toEqual(bytesOf('snapshot'));
  });

  it("[RS29] bytes that are answered are the caller's own", async () => {
    await filledRoom(here.storage, 'room', 1);
    await here.storage.saveSnapshot('room', { seq: 1, bytes: bytesOf('snapshot') });
    const before = await everything(here.storage, 'room');
    (await here.storage.entries('room', 0, 1))[0]?.bytes.fill(0);
    (await here.storage.openRoom('room', BIRTH)).snapshot?.bytes.fill(0);
    expect(await everything(here.storage, 'room')).toEqual(before);
  });

  it('[RS30] a call that fails takes no other with it', async () => {
    await here.storage.openRoom('room', BIRTH);
    const codes = await Promise.all(
      [0, 5, 1, 1, 2, 0].map((after, index) => {
        const number = after === 5 ? 9 : after + 1;
        return codeOf(here.storage.accept('room', { epoch: 1, after }, [acceptance(after + 1, { counter: index + 1, number })]));
      }),
    );
    expect(codes).toEqual(['resolved', 'storage.conflict', 'resolved', 'storage.conflict', 'resolved', 'storage.conflict']);
    expect((await here.storage.openRoom('room', BIRTH)).head).toBe(3);
  });

  it('[RS31] rooms share nothing', async () => {
    const other = await everything(here.storage, 'other');
    await filledRoom(here.storage, 'room', 2);
    await here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3, { runs: [run('run-1', 10)] })]);
    await here.storage.refuse('room', [{ mark: { replica: 2, counter: 1 }, refusal: REFUSAL }]);
    await here.storage.fence('room', 'ann', [1, 2]);
    await here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('snapshot') });
    expect(await everything(here.storage, 'other')).toEqual(other);
    await here.storage.accept('other', start, [acceptance(1, { runs: [run('run-1', 10)] })]);
    expect(await openRuns(here.storage, 'other')).toHaveLength(1);
  });

  it('[RS32] numbers survive up to 2^53 - 1', async () => {
    expect(await here.storage.openRoom('room', { lineage: MAX, epoch: MAX - 1, schemaVersion: MAX })).toMatchObject({
      lineage: MAX,
      epoch: MAX - 1,
      schemaVersion: MAX,
    });
    const near = [MAX, MAX - 1, 2 ** 52 + 1, 2 ** 32 + 1];
    const group = near.map((large, index) => {
      return acceptance(index + 1, { replica: large, counter: large, writer: large, number: 1, runs: [run(`${index}`, large)] });
    });
    await here.storage.accept('room', { epoch: MAX - 1, after: 0 }, group);
    await here.storage.fence('room', 'bob', [MAX - 2]);
    await here.storage.refuse('room', [{ mark: { replica: MAX - 2, counter: MAX - 3 }, refusal: { code: 'a.b', params: { at: MAX } } }]);
    await here.storage.saveSnapshot('room', { seq: MAX - 1, bytes: bytesOf('older') });
    await here.storage.saveSnapshot('room', { seq: MAX, bytes: bytesOf('newer') });
    await here.restart();
    const snapshot = { seq: MAX, bytes: bytesOf('newer') };
    expect(await here.storage.openRoom('room', BIRTH)).toEqual({ lineage: MAX, epoch: MAX - 1, schemaVersion: MAX, head: 4, snapshot });
    expect(
      await here.storage.outcomes(
        'room',
        [...near, MAX - 2].map((large) => ({ replica: large, counter: large })),
      ),
    ).toEqual([...near.map((_, index) => ({ seq: index + 1 })), undefined]);
    expect(await here.storage.outcomes('room', [{ replica: MAX - 2, counter: MAX - 3 }])).toEqual([
      { refused: { code: 'a.b', params: { at: MAX } } },
    ]);
    expect((await here.storage.writers('room', [...near, MAX - 2])).map((state) => [state?.writer, state?.owner])).toEqual([
      ...near.map((writer) => [writer, 'ann']),
      [MAX - 2, 'bob'],
    ]);
    expect((await openRuns(here.storage, 'room')).map(({ queuedAt }) => queuedAt)).toEqual(near);
  });

  it('[RS33] names and texts survive as they are', async () => {
    const names = [
      'a',
      'A',
      '',
      "o'hara",
      '"',
      '\\',
      '\\u0000',
      '\u0000',
      'a\u0000b',
      'a\u0000c',
      '\ud800',
      '\udfff',
      'é',
      'e\u0301',
      '名',
      '😀',
    ];
    for (const [index, name] of names.entries()) {
      expect((await here.storage.openRoom(name, { ...BIRTH, lineage: index })).lineage).toBe(index);
      const queued = { id: name, name, input: JSON.stringify(name), userId: name, queuedAt: index };
      await here.storage.accept(name, start, [acceptance(1, { owner: name, runs: [queued] })]);
      await here.storage.fence(name, name, [1]);
    }
    await here.restart();
    for (const [index, name] of names.entries()) {
      expect((await here.storage.openRoom(name, BIRTH)).lineage).toBe(index);
      expect(await here.storage.writers(name, [1])).toEqual([{ writer: 1, owner: name, last: 1, fenced: true }]);
      expect(await openRuns(here.storage, name)).toMatchObject([
        { id: name, name, input: JSON.stringify(name), userId: name, queuedAt: index },
      ]);
    }
  });

  it('[RS34] close ends after the calls that were begun', async () => {
    await here.storage.openRoom('room', BIRTH);
    const ended: string[] = [];
    const begun = acceptances(1, 50).map((one) => here.storage.accept('room', { epoch: 1, after: one.entry.seq - 1 }, [one]));
    const accepted = Promise.all(begun).then(() => ended.push('accepted'));
    await here.storage.close().then(() => ended.push('closed'));
    await accepted;
    expect(ended).toEqual(['accepted', 'closed']);
    await here.reopen();
    expect((await here.storage.openRoom('room', BIRTH)).head).toBe(50);
  });

  it('[RS35] calls after close reject with here.storage.closed', async () => {
    await here.storage.openRoom('room', BIRTH);
    const closed = here.storage.close();
    const calls = [
      here.storage.openRoom('room', BIRTH),
      here.storage.accept('room', start, [acceptance(1)]),
      here.storage.entries('room', 0, 9),
      here.storage.outcomes('room', [{ replica: 1, counter: 1 }]),
      here.storage.lastCounters('room', [1]),
      here.storage.refuse('room', [{ mark: { replica: 1, counter: 1 }, refusal: REFUSAL }]),
      here.storage.writers('room', [1]),
      here.storage.fence('room', 'ann', [1]),
      here.storage.saveSnapshot('room', { seq: 1, bytes: bytesOf('snapshot') }),
      openRuns(here.storage, 'room'),
    ];
    for (const call of calls) expect(await codeOf(call)).toBe('storage.closed');
    await closed;
    expect(await codeOf(here.storage.entries('room', 0, 9))).toBe('storage.closed');
    await here.reopen();
    expect((await here.storage.openRoom('room', BIRTH)).head).toBe(0);
  });

  it('[RS36] reading a room that was never opened finds nothing and makes nothing', async () => {
    expect(await here.storage.entries('room', 0, 9)).toEqual([]);
    expect(await here.storage.outcomes('room', [{ replica: 1, counter: 1 }])).toEqual([undefined]);
    expect(await here.storage.lastCounters('room', [1])).toEqual([0]);
    expect(await here.storage.writers('room', [1])).toEqual([undefined]);
    expect(await openRuns(here.storage, 'room')).toEqual([]);
    expect(await here.storage.openRoom('room', { ...BIRTH, lineage: 3 })).toEqual({ ...BIRTH, lineage: 3, head: 0, snapshot: undefined });
  });
}
