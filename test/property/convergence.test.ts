import { CotableError, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type Relay, type RelayStorage } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { mutators, openStore, schema } from './chat.ts';
import { foldLog } from './oracle.mjs';

const NAMES = ['ann', 'ben', 'cyd'] as const;
type Chat = Store<typeof schema>;

/** What may happen to one of three stores. */
const step = fc.record({
  who: fc.constantFrom(...NAMES),
  what: fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        mutator: fc.constantFrom('put', 'edit', 'edit', 'clear', 'remove', 'replace', 'slow'),
        id: fc.constantFrom('x', 'y', 'z'),
        field: fc.constantFrom('a' as const, 'b' as const),
        value: fc.integer({ min: 0, max: 99 }),
      }),
    },
    { weight: 3, arbitrary: fc.constantFrom('cut' as const, 'hold' as const, 'release' as const) },
    { weight: 2, arbitrary: fc.constantFrom('off' as const, 'on' as const) },
    { weight: 1, arbitrary: fc.constant('reopen' as const) },
    { weight: 2, arbitrary: fc.constantFrom('turn' as const, 'turns' as const) },
    { weight: 1, arbitrary: fc.constantFrom('restart relay' as const, 'fail storage' as const) },
  ),
});

async function run(steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]): Promise<void> {
  const hub = memoryHub();
  const disk = memoryRelayDisk();
  let storage = memoryRelayStorage(disk);
  let failing = 0;
  const openRelay = (): Relay<typeof schema> => {
    const kept = (storage = memoryRelayStorage(disk));
    const unsure: RelayStorage = {
      ...kept,
      // Some fail before anything is kept, some after: the relay cannot tell, and neither may lose or double anything.
      async accept(...args) {
        const fails = failing > 0 ? failing-- : 0;
        if (fails % 2 === 0) await kept.accept(...args);
        if (fails > 0) throw new CotableError('storage.unavailable', { reason: 'as told' });
      },
    };
    return createRelay({ backend: { schema, mutators }, storage: unsure, acceptors: [hub.acceptor()] });
  };
  let relay = openRelay();
  const disks = new Map(NAMES.map((name) => [name, memoryClientStorage({ durable: true })]));
  const open = (name: (typeof NAMES)[number]): Chat => openStore(name, disks.get(name)!, hub.transport(name));
  const stores = new Map<string, Chat>(NAMES.map((name) => [name, open(name)]));
  const made: string[] = [];
  const stored: Promise<void>[] = [];
  const making: Promise<unknown>[] = [];

  for (const { who, what } of steps) {
    const store = stores.get(who)!;
    if (what === 'cut') hub.cut(who);
    else if (what === 'hold') hub.hold(who);
    else if (what === 'release') hub.release(who);
    else if (what === 'off') hub.setAvailable(who, false);
    else if (what === 'on') hub.setAvailable(who, true);
    else if (what === 'turn') await turn();
    else if (what === 'turns') for (let n = 0; n < 10; n++) await turn();
    else if (what === 'fail storage') failing += 1;
    else if (what === 'restart relay') {
      await relay.close();
      relay = openRelay();
    } else if (what === 'reopen') {
      await Promise.allSettled(making);
      await Promise.all(stored);
      await store.close();
      stores.set(who, open(who));
    } else {
      const input = { id: what.id, a: what.value, field: what.field, value: what.value };
      making.push(
        store.mutate[what.mutator as 'put'](input).then((receipt) => {
          made.push(receipt.id);
          stored.push(receipt.stored);
        }),
      );
    }
  }

  await Promise.all(making);
  failing = 0;
  hub.cut();
  for (const name of NAMES) {
    hub.release(name);
    hub.setAvailable(name, false);
    hub.setAvailable(name, true);
  }
  try {
    await vi.waitFor(
      async () => {
        const log = await storage.entries('room', 0, 100_000);
        const { rows, mutations } = foldLog(log);
        // Each mutation was accepted once, and none that nobody made.
        expect(mutations.length).toBe(made.length);
        expect(new Set(mutations).size).toBe(made.length);
        for (const [name, store] of stores) {
          expect(store.status, name).toMatchObject({ state: 'online', pending: 0 });
          for (const table of ['items', 'lines'] as const) {
            expect(Object.fromEntries(store.table(table).entries()), `${name}.${table}`).toEqual(rows[table] ?? {});
          }
        }
        const lines = stores.get('ann')!.table('lines').list();
        expect(lines.map((line) => line.what).sort()).toEqual([...made].sort());
      },
      { timeout: 5_000, interval: 5 },
    );
    // What the documents hold is the fold as well: a relay and stores that read them anew show the same.
    await relay.close();
    relay = openRelay();
    const { rows } = foldLog(await storage.entries('room', 0, 100_000));
    await stores.get('ann')!.close();
    stores.set('ann', open('ann'));
    stores.set('dee', openStore('dee', memoryClientStorage(), hub.transport('dee')));
    for (const name of ['ann', 'dee']) {
      const store = stores.get(name)!;
      await store.synced;
      for (const table of ['items', 'lines'] as const) {
        expect(Object.fromEntries(store.table(table).entries()), `${name}.${table} anew`).toEqual(rows[table] ?? {});
      }
    }
  } finally {
    await Promise.all([...stores.values()].map((store) => store.close()));
    await relay.close();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('convergence', () => {
  it('[PC1] three stores whose links lose their tails hold equal rows in the end: those of an independent fold of the log, each mutation once', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), run), {
      numRuns: Number(process.env['COTABLE_RUNS'] ?? 100),
      endOnFailure: false,
      interruptAfterTimeLimit: 240_000,
      markInterruptAsFailure: false,
    });
  }, 300_000);
});
