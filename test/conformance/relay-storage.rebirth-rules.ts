import { expect, it } from 'vitest';
import { acceptance, BIRTH, bytesOf, codeOf, everything, filledRoom, REFUSAL, run } from './relay-storage.fixtures.ts';
import { expectConflict, type Here } from './relay-storage.place.ts';

const reborn = { schemaVersion: 3, bytes: bytesOf('fresh') };

/** A room's next epoch, RS40 and RS41. */
export function rebirthRules(here: Here): void {
  it('[RS40] rebirth raises the epoch, sets the version, replaces the snapshot, and leaves the rest as it is', async () => {
    await filledRoom(here.storage, 'room', 2);
    await filledRoom(here.storage, 'other', 1);
    await here.storage.refuse('room', [{ mark: { replica: 2, counter: 1 }, refusal: REFUSAL }]);
    await here.storage.fence('room', 'ann', [2]);
    await here.storage.queueRun('room', run('r', 5));
    await here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('old') });
    const before = (await everything(here.storage, 'room')) as object;
    const given = { ...reborn, bytes: bytesOf('fresh') };
    const done = here.storage.rebirth('room', { epoch: 1, after: 2 }, given);
    given.bytes.fill(0);
    await done;
    await here.restart();
    const stored = { lineage: 7, epoch: 2, schemaVersion: 3, head: 2, snapshot: { seq: 2, bytes: bytesOf('fresh') } };
    expect(await everything(here.storage, 'room')).toEqual({ ...before, stored });
    expect(await here.storage.openRoom('other', BIRTH)).toEqual({ ...BIRTH, head: 1, snapshot: undefined });

    // What was made of the documents before is not newer.
    await here.storage.saveSnapshot('room', { seq: 2, bytes: bytesOf('old') });
    await here.storage.accept('room', { epoch: 2, after: 2 }, [acceptance(3)]);
    expect(await here.storage.openRoom('room', BIRTH)).toEqual({ ...stored, head: 3 });
    await here.storage.rebirth('room', { epoch: 2, after: 3 }, { schemaVersion: 3, bytes: new Uint8Array(0) });
    expect(await here.storage.openRoom('room', BIRTH)).toMatchObject({ epoch: 3, head: 3, snapshot: { seq: 3 } });
  });

  it('[RS41] rebirth conflicts when head or epoch is another or the room is not there, and ends the epoch before', async () => {
    await filledRoom(here.storage, 'room', 2);
    for (const [epoch, after] of [
      [0, 2],
      [2, 2],
      [1, 1],
      [1, 3],
    ] as const) {
      await expectConflict(here, 'room', () => here.storage.rebirth('room', { epoch, after }, reborn));
    }
    expect(await codeOf(here.storage.rebirth('nowhere', { epoch: 1, after: 0 }, reborn))).toBe('storage.conflict');
    expect((await here.storage.openRoom('nowhere', BIRTH)).epoch).toBe(1);
    await here.storage.rebirth('room', { epoch: 1, after: 2 }, reborn);
    await expectConflict(here, 'room', () => here.storage.accept('room', { epoch: 1, after: 2 }, [acceptance(3)]));
    await expectConflict(here, 'room', () => here.storage.rebirth('room', { epoch: 1, after: 2 }, reborn));
  });
}
