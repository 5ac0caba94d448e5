import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { mutatorsWith, rowsOf, schema, type TestStore } from '../spec/support.ts';
import { createTabNet } from './tab-net.ts';
import { latestCells, type Written } from './latest.ts';

const TABS = [0, 1, 2] as const;

/** What may happen to one of three tabs. */
const step = fc.record({
  who: fc.constantFrom(...TABS),
  what: fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        table: fc.constantFrom('records' as const, 'things' as const),
        key: fc.constantFrom('x', 'y'),
        field: fc.constantFrom('a', 'b'),
        value: fc.integer({ min: 0, max: 9 }),
        /** How the clock of the machine moves before that: it may go back. */
        step: fc.constantFrom(0, 1, 1, 1, 1, 50, -20),
        how: fc.constantFrom('field' as const, 'field' as const, 'row' as const, 'both' as const, 'gone' as const),
      }),
    },
    { weight: 8, arbitrary: fc.record({ deliver: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.constant('reopen' as const) },
    { weight: 2, arbitrary: fc.constant('turn' as const) },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function run(steps: readonly Step[], mayDelete: boolean): Promise<void> {
  const disk = memoryClientStorage({ durable: true });
  const net = createTabNet();
  net.hold(true);
  const mutators = mutatorsWith((ctx, input) => {
    const { table, key, field, value, how } = input as unknown as Extract<Step['what'], { table: string }>;
    // A row has to be there before its fields are edited: so each tab can make it, all the same.
    if (how === 'gone') return void (mayDelete && ctx.table(table).delete(key));
    const tables = how === 'both' ? (['records', 'things'] as const) : [table];
    for (const name of tables) {
      if (name === 'things') {
        if (ctx.table('things').has(key)) ctx.table('things').update(key, { value });
        else ctx.table('things').set(key, { value });
      } else if (ctx.table('records').has(key) && how !== 'row') ctx.table('records').update(key, { [field]: value });
      else ctx.table('records').set(key, { [field]: value });
    }
  });
  let time = 1_800_000_000_000;
  const now = vi.spyOn(Date, 'now').mockImplementation(() => time);
  const open = (): TestStore =>
    createStore({ schema, mutators, room: 'room', storage: disk, transports: [net.transport()], userId: 'ann' });
  const stores = TABS.map(() => open());
  const receipts: Promise<void>[] = [];
  const database = await disk.open('ann/room/alone');
  const written: Written[] = [];

  /** Reads what has come to be on disk before a fold could put it together. */
  async function note(): Promise<void> {
    for (const [key, value] of await database.range(['update'])) written.push({ key: JSON.stringify(key), value });
  }

  try {
    for (const { who, what } of steps) {
      const store = stores[who]!;
      if (what === 'turn') await new Promise((resolve) => setImmediate(resolve));
      else if (what === 'reopen') {
        // What is made before a store is ready waits for that, and would be refused.
        await store.ready;
        await store.close();
        stores[who] = open();
      } else if ('deliver' in what) net.deliverOne(what.deliver);
      else {
        time += what.step;
        receipts.push(store.mutate.act({ ...what }).then(({ confirmed }) => confirmed));
      }
    }
    await Promise.all(receipts);
    await Promise.all(stores.map((store) => store.ready));
    await net.deliverAll();
    const [first, ...others] = stores.map(rowsOf);
    for (const other of others) expect(other).toEqual(first);
    expect(stores.map(({ status }) => [status.state, status.pending, status.durable])).toEqual(TABS.map(() => ['alone', 0, true]));
    await note();
    // Deletes take cells out, and then it counts what was seen: without them each cell is what the latest clock says.
    const latest = mayDelete ? undefined : latestCells(written);
    if (latest) expect(first).toMatchObject(latest);
    await Promise.all(stores.map((store) => store.close()));
    const again = open();
    stores.push(again);
    await again.ready;
    expect(rowsOf(again), 'read anew').toEqual(first);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
    now.mockRestore();
  }
}

const options = {
  numRuns: Number(process.env['COTABLE_RUNS'] ?? 100),
  endOnFailure: false,
  interruptAfterTimeLimit: 120_000,
  markInterruptAsFailure: false,
};

describe('tabs of a device on its own', () => {
  test('[OA17] hold equal rows in the end, which a fresh open reads from disk: of each cell the latest', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => run(steps, false)),
      options,
    );
  }, 150_000);

  test('[OA17] so they do with deletes among it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => run(steps, true)),
      options,
    );
  }, 150_000);
});
