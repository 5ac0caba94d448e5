import { memoryRelayStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RelayStorage } from '../../src/ports/relay-storage.ts';
import { acceptance, BIRTH, bytesOf, everything, REFUSAL, run } from './relay-storage.fixtures.ts';

const digit = fc.integer({ min: 1, max: 3 });
const owner = fc.constantFrom('', 'ann', 'bob');
const mostlyNone = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, 1) });
const mutation = fc.record({
  replica: digit,
  counter: fc.integer({ min: 1, max: 9 }),
  writer: digit,
  owner,
  astray: mostlyNone,
  runs: fc.array(digit, { maxLength: 1 }),
});
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('accept' as const), astray: mostlyNone, group: fc.array(mutation, { maxLength: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refuse' as const), replica: digit, counter: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fence' as const), owner, writers: fc.array(digit, { maxLength: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lease' as const), owner, replica: digit }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('return' as const), owner, replica: digit, writer: digit, astray: mostlyNone }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot' as const), seq: digit }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rebirth' as const), astray: mostlyNone, schemaVersion: digit }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('entries' as const), after: digit, limit: digit }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Makes a step a call, near enough to what stands that it often succeeds. */
async function toCall(model: RelayStorage, room: string, made: Step): Promise<(storage: RelayStorage) => Promise<unknown>> {
  switch (made.kind) {
    case 'accept': {
      const { head, epoch } = await model.openRoom(room, BIRTH);
      const lasts = new Map((await model.writers(room, [1, 2, 3])).map((state, index) => [index + 1, state]));
      const counts = new Map<number, number>();
      const group = made.group.map((one, index) => {
        const count = (counts.get(one.writer) ?? 0) + 1;
        counts.set(one.writer, count);
        const known = lasts.get(one.writer);
        return acceptance(head + index + 1, {
          ...one,
          owner: one.astray === 0 ? (known?.owner ?? 'ann') : one.owner,
          number: (known?.last ?? 0) + count + one.astray,
          runs: one.runs.map((id) => run(`${one.replica}/${one.counter}/${id}`, id)),
        });
      });
      return (storage) => storage.accept(room, { epoch, after: head + made.astray }, group);
    }
    case 'refuse': {
      const { replica, counter } = made;
      return (storage) => storage.refuse(room, [{ mark: { replica, counter }, refusal: REFUSAL }]);
    }
    case 'fence':
      return (storage) => storage.fence(room, made.owner, made.writers);
    case 'lease':
      return (storage) => storage.leaseWriter(room, made.owner, made.replica);
    case 'return': {
      const [state] = await model.writers(room, [made.writer]);
      const { owner, replica, writer, astray } = made;
      const lease = { writer, owner: state?.owner ?? owner, holder: state?.holder ?? replica, last: (state?.last ?? 0) + astray };
      return (storage) => storage.returnWriter(room, lease);
    }
    case 'snapshot':
      return (storage) => storage.saveSnapshot(room, { seq: made.seq, bytes: bytesOf(`snapshot ${made.seq}`) });
    case 'rebirth': {
      const { head, epoch } = await model.openRoom(room, BIRTH);
      const { astray, schemaVersion } = made;
      const reborn = { schemaVersion, bytes: bytesOf(`epoch ${epoch}`) };
      return (storage) => storage.rebirth(room, { epoch: epoch + astray, after: head }, reborn);
    }
    case 'entries':
      return (storage) => storage.entries(room, made.after, made.limit);
  }
}

async function settled(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: { readonly code: unknown }) => ({ code: error.code }));
}

it('[SQ14] sqlite, called without waiting, answers and keeps what the memory storage does step by step', { timeout: 60_000 }, async () => {
  const disk = sqlite(':memory:');
  let rooms = 0;
  let accepts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const model = memoryRelayStorage();
      const room = `room ${++rooms}`;
      await model.openRoom(room, BIRTH);
      const calls: ((storage: RelayStorage) => Promise<unknown>)[] = [];
      const expected: unknown[] = [];
      for (const made of steps) {
        const call = await toCall(model, room, made);
        calls.push(call);
        expected.push(await settled(call(model)));
        if (made.kind === 'accept' && made.group.length > 0 && expected.at(-1) === undefined) accepts++;
      }
      const opening = disk.openRoom(room, BIRTH);
      expect(await Promise.all(calls.map((call) => settled(call(disk))))).toEqual(expected);
      await opening;
      expect(await everything(disk, room)).toEqual(await everything(model, room));
    }),
    { numRuns: 300 },
  );
  // A property that only ever saw conflicts would prove nothing.
  expect(accepts).toBeGreaterThan(300);
  await disk.close();
});
