import { createStore, type ClientStorage } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Relay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import * as decoding from 'lib0/decoding';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { storedState } from '../epochs/disk.ts';
import { tap } from '../exact/wire.ts';
import { mutatorsWith, schema, turns, type Act, type S, type TestStore } from '../spec/support.ts';
import { WRITER } from '../wire/raw-link.ts';
import { foldLog } from './oracle.mjs';
import { rawAuthor, TABLE, type Deed, type RawAuthor } from './raw-author.ts';

const BEGIN = 1_750_000_000_000;
const STEPS = 1024;
const AUTHORS = 3;

const row = fc.constantFrom('x', 'y');
const field = fc.constantFrom('a', 'b');
const value = fc.integer({ min: 0, max: 9 });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ does: fc.constant('create' as const), row, value: fc.record({ a: value }) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('delete' as const), row }) },
  { weight: 5, arbitrary: fc.record({ does: fc.constant('edit' as const), row, field, value: fc.option(value, { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('tear' as const), row, field: fc.option(field, { nil: undefined }) }) },
);

const step = fc.oneof(
  // Few clocks, so that many are equal; some are more than the relay takes, now and then.
  {
    weight: 10,
    arbitrary: fc.record({
      who: fc.integer({ min: 0, max: AUTHORS - 1 }),
      deed,
      clock: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 1, max: 6 }) },
        { weight: 1, arbitrary: fc.constantFrom('highest' as const, 'too high' as const) },
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ catchUp: fc.integer({ min: 0, max: AUTHORS - 1 }) }) },
  { weight: 3, arbitrary: fc.record({ store: deed }) },
  { weight: 2, arbitrary: fc.record({ server: deed }) },
  { weight: 2, arbitrary: fc.record({ clockSteps: fc.constantFrom(-3_600_000, -500, 500, 3_600_000) }) },
  { weight: 1, arbitrary: fc.constant('the relay starts anew' as const) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const by = (who: number, of: Deed, clock: number | 'highest' | 'too high'): Step => ({ who, deed: of, clock }) as Step;
const create = (at: string, a = 0): Deed => ({ does: 'create', row: at, value: { a } });
const edit = (name: string, to = 7): Deed => ({ does: 'edit', row: 'x', field: name, value: to });
const gone: Deed = { does: 'delete', row: 'x' };
const backAnHour: Step = { clockSteps: -3_600_000 };

/** The letter, rule by rule: tried first. Authors have seen only what they wrote. */
const letter: readonly (readonly Step[])[] = [
  // Equal clocks, either way round.
  [by(0, create('x'), 1), by(1, create('x', 1), 1), by(1, edit('a', 2), 1)],
  [by(1, create('x'), 1), by(0, create('x', 1), 1), by(0, edit('b', 1), 3), by(1, edit('b', 2), 3)],
  // The later of two, either way round, whatever Yjs makes of it.
  [by(0, create('x'), 5), by(1, create('x', 1), 2)],
  [by(1, create('x'), 5), by(0, create('x', 1), 2)],
  // A delete takes edits with it, later ones and those that come later, and what is made anew has nothing of them.
  [by(0, create('x'), 1), by(0, edit('b'), 5), by(1, gone, 3), by(2, create('x', 1), 4)],
  [by(0, create('x'), 1), by(1, gone, 2), by(0, edit('b'), 5), by(2, create('x', 1), 4)],
  // A creation that is older than the delete; one that is older than an edit, or later; an edit that is older than its row.
  [by(0, create('x'), 1), by(0, gone, 5), by(1, create('x', 1), 3)],
  [by(0, create('x'), 1), by(0, edit('b'), 5), by(1, create('x', 1), 3)],
  [by(0, create('x'), 1), by(0, edit('b'), 2), by(1, create('x', 1), 4)],
  [by(0, create('x'), 4), by(1, edit('a'), 2)],
  // A cell without a row.
  [by(0, edit('a'), 3)],
  // Clocks at the border and above it, of a relay whose own steps back, and that starts anew.
  [by(0, create('x'), 'highest'), by(0, create('y'), 'too high')],
  [by(0, create('x'), 'highest'), backAnHour, by(0, create('y'), 'highest')],
  [by(0, edit('a'), 'highest'), backAnHour, 'the relay starts anew', by(0, create('y'), 'highest')],
];

/** A deed as a mutator does it. */
const act: Act = (ctx, input) => {
  const wanted = input as unknown as Deed;
  const rows = ctx.table(TABLE);
  if (wanted.does === 'create') rows.set(wanted.row, wanted.value);
  else if (wanted.does === 'delete') rows.delete(wanted.row);
  else if (wanted.field !== undefined && rows.has(wanted.row)) {
    rows.update(wanted.row, { [wanted.field]: wanted.does === 'edit' ? wanted.value : undefined });
  }
};

async function settle(): Promise<void> {
  await turns(25);
  vi.advanceTimersByTime(0);
  await turns(25);
}

async function run(steps: readonly Step[]): Promise<void> {
  vi.setSystemTime(BEGIN);
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  let storage = memoryRelayStorage(disk);
  const startRelay = (): Relay<S> => {
    storage = memoryRelayStorage(disk);
    return createRelay({ backend: { schema, mutators: mutatorsWith(act) }, storage, acceptors: [hub.acceptor()] });
  };
  let relay = startRelay();
  let writers = WRITER;
  const newAuthor = (): Promise<RawAuthor> => rawAuthor(hub, storage, (writers += 1), settle);
  const line = tap(hub.transport('store'));
  const device = memoryClientStorage({ durable: true });
  const stores: TestStore[] = [];
  const open = (storageOf: ClientStorage, transport = hub.transport('late')): TestStore => {
    const store = createStore({
      schema,
      mutators: mutatorsWith(act),
      room: 'room',
      storage: storageOf,
      transports: [transport],
      userId: 'ann',
    });
    stores.push(store);
    return store;
  };
  const store = open(device, line.transport);
  await settle();
  // It hears of everything, and nothing it writes leaves it until the end.
  line.stall(true);
  const authors = await Promise.all(Array.from({ length: AUTHORS }, newAuthor));
  /** The highest clock that was accepted. */
  let highest = 0;

  const entries = () => storage.entries('room', 0, 100_000);
  async function author(at: number): Promise<RawAuthor> {
    const standing = authors[at]!;
    return standing.failed === undefined ? standing : (authors[at] = await newAuthor());
  }

  /** It comes back by itself, and after a second handshake perhaps. */
  async function until(isSo: () => boolean): Promise<void> {
    for (let seconds = 0; seconds < 100 && !isSo(); seconds++) {
      vi.advanceTimersByTime(1_000);
      await settle();
    }
    expect(isSo()).toBe(true);
  }

  async function check(): Promise<void> {
    const folded = foldLog(await entries(), [], await pendingOf(device));
    expect(Object.fromEntries(store.table(TABLE).entries())).toEqual(folded.rows[TABLE] ?? {});
  }

  for (const what of steps) {
    if (what === 'the relay starts anew') {
      await relay.close();
      await settle();
      relay = startRelay();
      await until(() => store.status.state === 'online');
    } else if ('clockSteps' in what) vi.setSystemTime(Date.now() + what.clockSteps);
    else if ('catchUp' in what) await (await author(what.catchUp)).catchUp();
    else if ('store' in what) await store.mutate.act(what.store as never);
    else if ('server' in what) {
      const done = relay.mutate('room', 'act', what.server as never);
      await settle();
      await done;
    } else {
      const by = await author(what.who);
      // By the letter: not above a minute ahead of the relay, or a second above the highest that it has accepted.
      const ceiling = Math.max((Date.now() + 60_000) * STEPS, highest + 1_000 * STEPS);
      const clock = what.clock === 'too high' ? ceiling + 1 : what.clock === 'highest' ? ceiling : (BEGIN - 10_000) * STEPS + what.clock;
      const before = (await entries()).length;
      if (!by.write(what.deed, clock)) continue;
      await settle();
      expect([(await entries()).length - before, by.failed]).toEqual(clock > ceiling ? [0, 'clock.outOfBounds'] : [1, undefined]);
      if (clock <= ceiling) highest = Math.max(highest, clock);
    }
    await settle();
    for (const { bytes } of (await entries()).slice(-1)) highest = Math.max(highest, clockIn(bytes));
    await check();
  }

  try {
    line.stall(false);
    hub.cut('store');
    await until(() => store.status.pending === 0);
    const late = open(memoryClientStorage());
    await settle();
    const { rows, cells } = foldLog(await entries());
    expect(late.status.state).toBe('online');
    for (const [name, each] of Object.entries({ store, late })) {
      expect(Object.fromEntries(each.table(TABLE).entries()), name).toEqual(rows[TABLE] ?? {});
    }
    const state = await storedState(storage);
    expect(Object.fromEntries(state.table(TABLE).cells), 'the documents of the relay').toEqual(cells[TABLE] ?? {});
  } finally {
    const closed = Promise.all([...stores.map((each) => each.close()), relay.close()]);
    await settle();
    vi.advanceTimersByTime(60_000);
    await settle();
    await closed;
  }
}

function clockIn(entry: Uint8Array): number {
  const input = decoding.createDecoder(entry);
  decoding.readUint8(input);
  return Array.from({ length: 6 }, () => decoding.readVarUint(input))[5] ?? 0;
}

interface OutboxRecord {
  readonly place: number;
  readonly effects: ReadonlyMap<
    string,
    ReadonlyMap<string, { readonly row?: readonly unknown[]; readonly fields: ReadonlyMap<string, readonly unknown[]> }>
  >;
}

/** The cells that a device has pending, as they lie on its disk. */
async function pendingOf(device: ClientStorage): Promise<readonly { table: string; key: string; cell: readonly unknown[] }[]> {
  const database = await device.open('ann/room');
  const records = (await database.range(['outbox'])).map(([, record]) => record as unknown as OutboxRecord);
  return records
    .toSorted((a, b) => a.place - b.place)
    .flatMap(({ effects }) =>
      [...effects].flatMap(([table, rows]) =>
        [...rows].flatMap(([key, { row: created, fields }]) => [
          ...(created ? [{ table, key, cell: created }] : []),
          ...[...fields].map(([name, cell]) => ({ table, key: `${key}\u001f${name}`, cell })),
        ]),
      ),
    );
}

describe('the fold', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
  afterEach(() => void vi.useRealTimers());

  it('[FO1] of relay and stores is that of the letter: deletes with clocks, equal clocks, cells without a row, late creations, a relay clock that steps', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30, size: 'max' }), run), {
      numRuns: Number(process.env['COTABLE_RUNS'] ?? 100),
      endOnFailure: false,
      includeErrorInReport: true,
      examples: letter.map((steps): [Step[]] => [[...steps]]),
      interruptAfterTimeLimit: 240_000,
      markInterruptAsFailure: false,
    });
  }, 300_000);
});
