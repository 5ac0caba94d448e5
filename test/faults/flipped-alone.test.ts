import { createStore, type Store, type StorageValue } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { expect, it } from 'vitest';
import { mutators, schema, soon, type S } from './scene.ts';
import { spoil } from './spoilt.ts';

const NAME = 'ann/room/alone';

it('[FB5] a device without a relay whose disk has changed anything in an update is of no use, and says storage.corrupt', async () => {
  const device = memoryClientStorage({ durable: true });
  const open = (storage = device): Store<S> => createStore({ schema, mutators, room: 'room', userId: 'ann', storage, transports: [] });
  const first = open();
  for (const id of ['a', 'b']) await first.mutate.write({ id, text: `note ${id}` });
  const { stored } = await first.mutate.star({ id: 'a', stars: 2 });
  await stored;
  await first.close();
  const pairs = await (await device.open(NAME)).range([]);
  const counts = { flipped: 0, cut: 0, dropped: 0, changed: 0 };
  for (const [key, value] of pairs.filter(([[kind]]) => kind === 'update')) {
    for (const spoilt of spoil(value, key.join('/'))) {
      const copy = memoryClientStorage({ durable: true });
      const list = pairs.map((pair): readonly [typeof key, StorageValue] => (pair[0] === key ? [key, spoilt.value] : pair));
      await (await copy.open(NAME)).write({ put: list });
      const store = open(copy);
      await expect(soon(store.ready, 'ready'), spoilt.what).rejects.toMatchObject({ code: 'storage.corrupt' });
      expect(await (await copy.open(NAME)).range(key), 'what is there stays').toEqual([[key, spoilt.value]]);
      await store.close();
      counts[spoilt.kind] += 1;
    }
  }
  expect(Math.min(counts.flipped, counts.cut), 'never injected').toBeGreaterThan(0);
}, 60_000);
