import { createStore, type Store } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import * as decoding from 'lib0/decoding';
import { describe, expect, it, onTestFinished } from 'vitest';
import { kept, level, mutators, POLL, scene, schema, type S, type Scene } from '../epochs/scene.ts';

const HELLO = 1;

/** A store, and what it has said and heard: the types of all frames. */
function openTapped({ hub }: Scene, userId: string): { readonly store: Store<S>; readonly said: number[]; connects: () => number } {
  const said: number[] = [];
  let connects = 0;
  const real = hub.transport(userId);
  const store = createStore({
    schema,
    mutators,
    room: 'room',
    userId,
    storage: memoryClientStorage({ durable: true }),
    transports: [
      {
        connect(events) {
          connects += 1;
          const link = real.connect(events);
          return {
            close: link.close,
            get buffered() {
              return link.buffered;
            },
            send(message) {
              const input = decoding.createDecoder(message);
              while (decoding.hasContent(input)) said.push(decoding.readVarUint8Array(input)[1] ?? 0);
              link.send(message);
            },
          };
        },
      },
    ],
  });
  onTestFinished(() => store.close());
  return { store, said, connects: () => connects };
}

describe('the writer of a store', () => {
  it('[WL6] goes to the next store when it is closed with all confirmed: many opens, one writer in the documents', async () => {
    const all = await scene('memory', { compaction: { ratio: 1, minItems: 0, restMs: Infinity, writers: 100 } });
    for (let n = 0; n < 12; n++) {
      const store = all.open(`user ${n % 3}`);
      await store.synced;
      await kept(store.mutate.put({ id: `c${n}`, n }));
      await store.close();
    }
    await kept(all.open('last').mutate.put({ id: 'last', n: 12 }));
    // Fresh documents would be the relay's.
    const { log } = await loggedWriters(all);
    expect(new Set(log)).toEqual(new Set([2]));
  });

  it('[WL6] is not given back with something pending', async () => {
    const all = await scene('memory');
    const device = memoryClientStorage({ durable: true });
    const ann = all.open('ann', device);
    await ann.synced;
    all.hub.setAvailable('ann', false);
    all.hub.cut('ann');
    await (
      await ann.mutate.put({ id: 'a', n: 1 })
    ).stored;
    await ann.close();
    all.hub.setAvailable('ann', true);
    const ben = all.open('ben');
    await ben.synced;
    await kept(ben.mutate.put({ id: 'b', n: 1 }));
    const again = all.open('ann', device);
    await expect.poll(() => ben.table('counters').has('a'), POLL).toBe(true);
    await level(all, again, ben);
    const { log } = await loggedWriters(all);
    expect(log).not.toContain(2);
  });

  it('[WL7] is told with the welcome: after a compaction, with something pending too, one handshake is enough', async () => {
    const all = await scene('memory', { compaction: { ratio: 1, minItems: 30, restMs: Infinity } });
    const { store, said, connects } = openTapped(all, 'ann');
    await kept(store.mutate.put({ id: 'mine', n: 0 }));
    await level(all, store);
    const before = { hellos: said.filter((type) => type === HELLO).length, connects: connects(), epoch: (await all.stored()).epoch };
    all.hub.hold('ann');
    const pending = await store.mutate.put({ id: 'mine', n: 1 });
    for (let n = 0; (await all.stored()).epoch === before.epoch; n++) await all.relay.mutate('room', 'put', { id: `c${n % 2}`, n });
    all.hub.release('ann');
    await pending.confirmed;
    await level(all, store);
    const epochs = (await all.stored()).epoch - before.epoch;
    expect(said.filter((type) => type === HELLO).length - before.hellos).toBe(epochs);
    expect(connects() - before.connects).toBe(epochs);
    expect(store.table('counters').get('mine')).toEqual({ n: 1 });
  });

  it('[WL8] of the relay is one and the same in all memories of a room', async () => {
    const all = await scene('memory');
    for (let n = 0; n < 6; n++) {
      await all.relay.mutate('room', 'put', { id: 'c', n });
      await all.relay.mutate('room', 'put', { id: `c${n}`, n });
      await all.restart();
    }
    const { log, numbers } = await loggedWriters(all);
    expect(new Set(log)).toEqual(new Set([1]));
    expect(numbers).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    const ann = all.open('ann');
    await ann.synced;
    expect(ann.table('counters').get('c')).toEqual({ n: 5 });
    expect(ann.table('counters').count()).toBe(7);
  });
});

/** Who wrote each entry of the log, and with which number. */
async function loggedWriters(all: Scene): Promise<{ readonly log: readonly number[]; readonly numbers: readonly number[] }> {
  const read = (await all.entries()).map((bytes) => {
    const input = decoding.createDecoder(bytes);
    decoding.readUint8(input);
    const [, , , writer = 0, number = 0] = Array.from({ length: 5 }, () => decoding.readVarUint(input));
    return { writer, number };
  });
  return { log: read.map(({ writer }) => writer), numbers: read.map(({ number }) => number) };
}
