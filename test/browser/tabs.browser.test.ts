import { createStore, type Store } from 'cotable';
import { indexedDb } from 'cotable/adapters/indexeddb';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { expect, onTestFinished, test, vi } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';

type Notes = Store<typeof schema>;

function open(room: string): Notes {
  const store = createStore({
    schema,
    mutators,
    room,
    storage: indexedDb({ prefix: 'tabs' }),
    transports: [broadcastChannel({ prefix: 'tabs' })],
  });
  onTestFinished(() => store.close());
  return store;
}

test('[OA8] tabs in a browser show each other what they write, and it is there after a restart', async () => {
  const room = crypto.randomUUID();
  const [one, two] = [open(room), open(room)];
  await Promise.all([one.ready, two.ready]);
  for (let n = 0; n < 20; n++) await (n % 2 === 0 ? one : two).mutate.write({ id: `n${n}`, text: String(n) });
  await vi.waitFor(() => {
    for (const store of [one, two]) expect(store.table('notes').count()).toBe(20);
  });
  expect(one.table('notes').list()).toEqual(two.table('notes').list());
  const rows = one.table('notes').list();
  await Promise.all([one.close(), two.close()]);
  const again = open(room);
  await again.ready;
  expect(again.table('notes').list()).toEqual(rows);
});
