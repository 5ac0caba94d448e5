import type { MutationReceipt, Store } from 'cotable';
import { memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import type { RelayStorage } from 'cotable/relay';
import { expect, it } from 'vitest';
import { openRuns } from '../fixtures/open-runs.ts';
import { createNthCall, failingRelayStorage, inBatches, type NthCall, type Way } from './nth-call.ts';
import { foldOf, nameInLog, rowsOf, soon, startRelay, type S } from './scene.ts';
import { level, seen } from './spoilt-scene.ts';

const CALLS = [
  'openRoom',
  'accept',
  'entries',
  'outcomes',
  'lastCounters',
  'refuse',
  'writers',
  'fence',
  'leaseWriter',
  'saveSnapshot',
  'rebirth',
  'queueRun',
  'claimRun',
  'freeRuns',
  'dueUsers',
  'dueRuns',
  'nextDue',
  'listRuns',
];
/** Documents are made afresh as soon as anything was overwritten. */
const TIGHT = { compaction: { ratio: 1, minItems: 2, restMs: 1_000 } };

/** Notes with which documents epochs began. */
function listening(real: RelayStorage, rebirths: { after: number; bytes: Uint8Array }[]): RelayStorage {
  return {
    ...real,
    async rebirth(room, position, reborn) {
      await real.rebirth(room, position, reborn);
      rebirths.push({ after: position.after, bytes: reborn.bytes.slice() });
    },
  };
}

/** What a relay does in a day, with one call of its storage that fails. Checks that everything ends as if nothing had. */
async function scenario(nth: NthCall, what: string): Promise<void> {
  const disk = memoryRelayDisk();
  const rebirths: { after: number; bytes: Uint8Array }[] = [];
  const real = listening(memoryRelayStorage(disk), rebirths);
  // A run that an earlier relay did not get to.
  await real.openRoom('room', { lineage: 1, epoch: 1, schemaVersion: 1 });
  await real.queueRun('room', { id: 'before', name: 'answer', input: '{"id":"before"}', userId: 'ann', queuedAt: 1 });
  const all = startRelay(failingRelayStorage(real, nth), TIGHT);
  const made: Promise<MutationReceipt>[] = [];
  try {
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await Promise.all([level(ann), level(ben)]);
    for (const id of ['a', 'b']) made.push(ann.mutate.write({ id, text: id }), ben.mutate.write({ id: `${id} of ben`, text: id }));
    const refused = await ann.mutate.write({ id: 'closed', text: 'never' });
    made.push(ann.mutate.star({ id: 'a', stars: 1 }), ann.mutate.ask({ id: 'asked' }));
    await expect(soon(refused.confirmed, `${what}: refusal`), what).rejects.toMatchObject({ code: 'access.denied' });
    const call = ben.action.answer({ id: 'called' });
    expect(await soon(call.result, `${what}: result`), what).toEqual({ text: 'to be or not' });
    for (let stars = 0; stars < 5; stars++) {
      made.push(ben.mutate.star({ id: 'a', stars }), ann.mutate.write({ id: 'b', text: String(stars) }));
      await soon((await made.at(-1))?.confirmed ?? Promise.reject(new Error('nothing was made')), `${what}: confirmed`);
    }
    const cyd = all.open('cyd');
    const receipts = await Promise.all(made);
    await soon(Promise.all(receipts.map(({ confirmed }) => confirmed)), `${what}: confirmed`);
    const stores: readonly Store<S>[] = [ann, ben, cyd];
    for (const id of ['before', 'asked', 'called']) {
      for (const store of stores) await seen(store, 'answers', id, ({ ends }) => ends > 0, `${what}: run ${id}`);
    }
    made.push(ann.mutate.write({ id: 'last', text: 'last' }));
    for (const store of stores) await seen(store, 'notes', 'last', () => true, `${what}: last`);
    await Promise.all(stores.map(level));

    const { rows, mutations } = foldOf(disk, rebirths);
    for (const store of stores) expect(rowsOf(store), what).toEqual(rows);
    for (const { id } of await Promise.all(made)) expect(mutations, what).toContain(nameInLog(id));
    expect(mutations, what).not.toContain(nameInLog(refused.id));
    for (const id of ['before', 'asked', 'called'])
      expect(ann.table('answers').get(id), what).toMatchObject({ text: 'to be or not', ends: 1 });
    expect(await openRuns(real), what).toEqual([]);
    if (!nth.failed) expect(rebirths.length, 'epochs').toBeGreaterThan(0);
  } finally {
    await all.close();
  }
}

it.each(['lost', 'unheard'] as const)(
  '[NF1 NF2] whichever call of its storage fails (%s), a relay and its stores come level by themselves: all is there, once',
  async (way: Way) => {
    const well = createNthCall(0, way);
    await scenario(well, 'nothing fails');
    const failed = new Map<string, number>();
    const numbers = Array.from({ length: well.count }, (_, index) => index + 1);
    await inBatches(numbers, 60, async (number) => {
      const nth = createNthCall(number, way);
      await scenario(nth, `call ${number}, ${way}`);
      if (nth.failed) failed.set(nth.failed, (failed.get(nth.failed) ?? 0) + 1);
    });
    expect(
      CALLS.filter((name) => !failed.has(name)),
      'never injected',
    ).toEqual([]);
  },
  240_000,
);
