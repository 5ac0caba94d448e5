import type { ClientStorage, StorageKey, StorageValue } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { describe, expect, test } from 'vitest';
import { createExact } from './scene.ts';
import { entriesOf } from './wire.ts';

type Pairs = readonly (readonly [StorageKey, StorageValue])[];

/** A device of which a copy is kept after each transaction: what a crash between two of them leaves. */
function filmed(disk: ClientStorage): { readonly storage: ClientStorage; readonly copies: Pairs[] } {
  const copies: Pairs[] = [];
  return {
    copies,
    storage: {
      async open(name) {
        const database = await disk.open(name);
        const copy = async (done: Promise<void>): Promise<void> => {
          await done;
          copies.push(await database.range([]));
        };
        return {
          ...database,
          write: (batch) => copy(database.write(batch)),
          update: (keys, change) => copy(database.update(keys, change)),
        };
      },
    },
  };
}

async function deviceOf(pairs: Pairs): Promise<ClientStorage> {
  const storage = memoryClientStorage({ durable: true });
  const database = await storage.open('alice/room');
  await database.write({ put: pairs });
  return storage;
}

describe('a snapshot that holds what is pending', () => {
  test.each(['in the tab', 'in a tab that is gone'])('[EX10] takes it out of the outbox (%s), and it happens once', async (where) => {
    const world = await createExact();
    const one = world.open('a');
    await world.settle();
    one.line.deafen(true);
    const { id } = await one.store.mutate.count({ id: 'c' });
    await world.settle();
    await world.fill();
    if (where === 'in the tab') await one.store.close();
    else world.net.freeze('a', true);
    await world.forget();
    const two = world.open('b');
    await world.pass(1_500);
    expect((await entriesOf(world.storage)).filter((entry) => entry.id === id)).toHaveLength(1);
    expect([two.store.table('counters').get('c'), two.store.status.pending]).toEqual([{ n: 1 }, 0]);
  });

  test.each([
    ['in the tab', 'in the snapshot itself'],
    ['in the tab', 'in an entry behind it'],
    ['in another tab', 'in the snapshot itself'],
    ['in another tab', 'in an entry behind it'],
  ])(
    '[EX11] does so in the transaction in which it gets to the disk: no crash shows it twice or not at all (%s, %s)',
    async (where, how) => {
      const world = await createExact();
      const film = filmed(world.disk);
      const one = world.open('a');
      await world.settle();
      one.line.deafen(true);
      await one.store.mutate.count({ id: 'c' });
      await world.settle();
      if (how === 'in the snapshot itself') await world.fill();
      if (where === 'in the tab') await one.store.close();
      await world.forget();
      // The other tab is awake, and hears nothing of the relay.
      const two = world.open('b', { storage: film.storage });
      await world.pass(1_500);
      expect(two.store.table('counters').get('c')).toEqual({ n: 1 });
      // They crash, and who comes next cannot reach the relay.
      for (const name of ['a', 'b']) world.net.freeze(name, true);
      await world.goOffline('late');
      for (const copy of film.copies) {
        const late = world.open('late', { storage: await deviceOf(copy) });
        await world.pass(500);
        expect(late.store.table('counters').get('c')).toEqual({ n: 1 });
        await late.store.close();
      }
    },
  );
});
