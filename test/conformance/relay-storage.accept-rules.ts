import { expect, it } from 'vitest';
import { acceptance, acceptances, BIRTH, bytesOf, codeOf, filledRoom, MAX, REFUSAL, run } from './relay-storage.fixtures.ts';
import { openRuns } from '../fixtures/open-runs.ts';
import { expectConflict, type Here } from './relay-storage.place.ts';

const start = { epoch: BIRTH.epoch, after: 0 };

/** The one transaction of acceptance, RS5 to RS14. */
export function acceptRules(here: Here): void {
  it('[RS5] accept keeps the entries, marks, writers and runs of a group', async () => {
    await here.storage.openRoom('room', BIRTH);
    const group = [
      acceptance(1, { bytes: bytesOf('one'), runs: [run('run-1', 10), run('run-2', 11)] }),
      acceptance(2, { bytes: new Uint8Array(0), replica: 5, counter: 1 }),
      acceptance(3, { bytes: new Uint8Array(20_000).fill(3), writer: 2, owner: '', number: 1, runs: [run('run-3', 12)] }),
    ];
    await here.storage.accept('room', start, group);
    expect((await here.storage.openRoom('room', BIRTH)).head).toBe(3);
    expect(await here.storage.entries('room', 0, 9)).toEqual(group.map(({ entry }) => entry));
    expect(
      await here.storage.outcomes(
        'room',
        group.map(({ mark }) => mark),
      ),
    ).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
    expect(await here.storage.writers('room', [1, 2])).toEqual([
      { writer: 1, owner: 'ann', last: 2, fenced: false },
      { writer: 2, owner: '', last: 1, fenced: false },
    ]);
    expect(await openRuns(here.storage, 'room')).toMatchObject([run('run-1', 10), run('run-2', 11), run('run-3', 12)]);
  });

  it('[RS6] of a group whose last member conflicts nothing is kept', async () => {
    await filledRoom(here.storage, 'room', 1);
    const good = acceptance(2, { writer: 2, number: 1, runs: [run('run-1', 10)] });
    await expectConflict(here, 'room', () =>
      here.storage.accept('room', { epoch: 1, after: 1 }, [good, acceptance(3, { counter: 1, number: 2 })]),
    );
    await expectConflict(here, 'room', () => here.storage.accept('room', { epoch: 1, after: 1 }, [good, acceptance(3, { number: 9 })]));
    await here.storage.accept('room', { epoch: 1, after: 1 }, [good]);
  });

  it('[RS7] accept conflicts when the head is not what the group builds on, or the room was never opened', async () => {
    await filledRoom(here.storage, 'room', 2);
    for (const after of [0, 1, 3]) {
      await expectConflict(here, 'room', () =>
        here.storage.accept('room', { epoch: 1, after }, [acceptance(after + 1, { counter: 9, number: 3 })]),
      );
      await expectConflict(here, 'room', () => here.storage.accept('room', { epoch: 1, after }, []));
    }
    expect(await codeOf(here.storage.accept('nowhere', start, [acceptance(1)]))).toBe('storage.conflict');
    expect(await here.storage.entries('nowhere', 0, 9)).toEqual([]);
  });

  it('[RS8] accept conflicts when the epoch is another', async () => {
    await filledRoom(here.storage, 'room', 2);
    for (const epoch of [0, 2]) await expectConflict(here, 'room', () => here.storage.accept('room', { epoch, after: 2 }, [acceptance(3)]));
  });

  it('[RS9] accept conflicts when its entries are not numbered on from the head', async () => {
    await filledRoom(here.storage, 'room', 1);
    const at = { epoch: 1, after: 1 };
    const second = { counter: 2, number: 2 };
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, second)]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(1, second)]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(2), acceptance(4, { counter: 3, number: 3 })]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(2), acceptance(2, { counter: 3, number: 3 })]));
  });

  it('[RS10] accept conflicts when a mutation was accepted before, refused before, or is twice in the group', async () => {
    await filledRoom(here.storage, 'room', 2);
    await here.storage.refuse('room', [{ mark: { replica: 2, counter: 1 }, refusal: REFUSAL }]);
    const at = { epoch: 1, after: 2 };
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, { counter: 1 })]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, { replica: 2, counter: 1 })]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3), acceptance(4, { counter: 3 })]));
  });

  it('[RS11] accept conflicts when a writer is fenced', async () => {
    await filledRoom(here.storage, 'room', 2);
    await here.storage.fence('room', 'ann', [1]);
    await expectConflict(here, 'room', () => here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3)]));
  });

  it("[RS12] accept conflicts when a writer is another owner's, before and within the group", async () => {
    await filledRoom(here.storage, 'room', 2);
    const at = { epoch: 1, after: 2 };
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, { owner: 'bob' })]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, { owner: '' })]));
    const first = acceptance(3, { writer: 2, number: 1 });
    await expectConflict(here, 'room', () =>
      here.storage.accept('room', at, [first, acceptance(4, { writer: 2, number: 2, owner: 'bob' })]),
    );
  });

  it("[RS13] accept conflicts when a writer's number is not its next", async () => {
    await filledRoom(here.storage, 'room', 2);
    const at = { epoch: 1, after: 2 };
    for (const number of [1, 2, 4]) await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, { number })]));
    for (const number of [0, 2])
      await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3, { writer: 2, number })]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3), acceptance(4, { number: 3 })]));
    await expectConflict(here, 'room', () => here.storage.accept('room', at, [acceptance(3), acceptance(4, { number: 5 })]));
  });

  it('[RS14] a group may be empty, long, and of many writers', async () => {
    await here.storage.openRoom('room', BIRTH);
    await here.storage.accept('room', start, []);
    await here.storage.accept('room', start, acceptances(1, 1500));
    const mixed = Array.from({ length: 60 }, (_, index) => {
      return acceptance(1501 + index, { writer: 10 + (index % 3), number: Math.floor(index / 3) + 1 });
    });
    await here.storage.accept('room', { epoch: 1, after: 1500 }, mixed);
    expect((await here.storage.writers('room', [1, 10, 11, 12])).map((state) => state?.last)).toEqual([1500, 20, 20, 20]);
    expect(await here.storage.entries('room', 0, MAX)).toHaveLength(1560);
  });
}
