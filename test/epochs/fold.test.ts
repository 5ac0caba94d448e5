import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StoredTable } from './disk.ts';
import { AT_LOAD, level, rowsOf, scene } from './scene.ts';

const id = fc.constantFrom('a', 'b', 'c');
const step = fc.record({
  who: fc.integer({ min: 0, max: 1 }),
  what: fc.oneof(
    fc.record({ kind: fc.constant('write' as const), id, text: fc.string({ maxLength: 3 }) }),
    fc.record({ kind: fc.constant('edit' as const), id, stars: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ kind: fc.constantFrom('unstar', 'drop'), id }),
  ),
  /** Whether the author is cut off from here on until its next turn says otherwise. */
  isOffline: fc.boolean(),
});

/** What stands at each key, as far as a fresh document has to hold it: all of it, since deletes here are young. */
function cellsOf({ cells }: StoredTable): [string, readonly unknown[]][] {
  return [...cells].sort(([a], [b]) => (a < b ? -1 : 1));
}

it('[EP2] fresh documents hold just the cells that the fold of any log gives, and show the same rows', { timeout: 120_000 }, async () => {
  let overwritten = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const all = await scene('memory');
      const stores = [all.open('ann'), all.open('ben')];
      await Promise.all(stores.map((store) => store.synced));
      for (const { who, what, isOffline } of steps) {
        const name = ['ann', 'ben'][who]!;
        all.hub.setAvailable(name, !isOffline);
        if (isOffline) all.hub.cut(name);
        const { kind, ...input } = what;
        // What does not fit what the author sees does not happen.
        await stores[who]!.mutate[kind as 'write'](input as never).then(
          ({ stored }) => stored,
          () => undefined,
        );
      }
      for (const name of ['ann', 'ben']) {
        all.hub.setAvailable(name, false);
        all.hub.setAvailable(name, true);
      }
      await level(all, ...stores);
      const rows = rowsOf(stores[0]!);
      const before = await all.stored();
      await Promise.all(stores.map((store) => store.close()));
      await all.restart({ compaction: AT_LOAD });
      const cem = all.open('cem');
      await cem.synced;
      const after = await all.stored();
      expect(rowsOf(cem)).toEqual(rows);
      for (const name of ['notes', 'counters']) expect(cellsOf(after.table(name))).toEqual(cellsOf(before.table(name)));
      expect(after.table('notes').items).toBe(after.table('notes').cells.size);
      if (after.epoch > 1) overwritten += 1;
      await cem.close();
      await all.relay.close();
    }),
    { numRuns: 100 },
  );
  // Logs in which nothing was overwritten would prove nothing.
  expect(overwritten).toBeGreaterThan(50);
});
