import { memoryClientStorage } from 'cotable/adapters/memory';
import { expect, test } from 'vitest';
import { clientStorageSuite } from './client-storage.suite.ts';

clientStorageSuite('memory', () => memoryClientStorage(), { durable: false });
clientStorageSuite('memory that counts as durable', () => memoryClientStorage({ durable: true }), { durable: true });

test('two memory storages share nothing', async () => {
  const [one, two] = await Promise.all([memoryClientStorage().open('room'), memoryClientStorage().open('room')]);
  await one.write({ put: [[['a'], 1]] });
  expect(await two.range([])).toEqual([]);
});
