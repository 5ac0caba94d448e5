import { createStore, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { applyUpdate, Doc, Item } from 'yjs';
import { mutators, schema } from '../fixtures/notes.mjs';
import { greet, mutate, rawLink, update, WRITER } from './raw-link.ts';

afterEach(() => vi.restoreAllMocks());

interface Kept {
  readonly userId: string;
  readonly updates: readonly { readonly table: string; readonly base64: string }[];
}

async function scene() {
  const errors: (readonly [message: string, fields: Readonly<Record<string, unknown>>])[] = [];
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: Readonly<Record<string, unknown>>, message: string) => void errors.push([message, fields]),
  };
  const storage = memoryRelayStorage();
  const relay = createRelay({ backend: { schema, mutators }, storage, logger });
  onTestFinished(() => relay.close());
  const { url } = await relay.listen();
  const open = (userId: string): Store<typeof schema> => {
    const transports = [webSocket(url, { WebSocket })];
    const store = createStore({ schema, mutators, room: 'room', userId, storage: memoryClientStorage(), transports });
    onTestFinished(() => store.close());
    return store;
  };
  const write = async (store: Store<typeof schema>, id: string): Promise<void> => {
    await (
      await store.mutate.write({ id, text: id })
    ).confirmed;
  };
  const messages = (): string[] => errors.map(([message]) => message);
  const kept = (): Kept[] =>
    errors.filter(([message]) => message === 'frame kept for study').map(([, fields]) => fields as unknown as Kept);
  return { storage, relay, url, open, write, messages, kept };
}

/** An error that Yjs is made to have: an item in the key `poison` cannot be built in. */
function plantThrow(): void {
  const integrate = Reflect.get(Item.prototype, 'integrate') as (this: Item, transaction: unknown, offset: number) => void;
  vi.spyOn(Item.prototype, 'integrate').mockImplementation(function (this: Item, transaction: unknown, offset: number) {
    if (this.parentSub === 'poison') throw new Error('a mistake in Yjs');
    integrate.call(this, transaction, offset);
  });
}

/** One that does not throw: the update leaves something pending behind. */
function plantPending(): void {
  const integrate = Reflect.get(Item.prototype, 'integrate') as (this: Item, transaction: unknown, offset: number) => void;
  vi.spyOn(Item.prototype, 'integrate').mockImplementation(function (this: Item, ...[transaction, offset]) {
    integrate.call(this, transaction, offset);
    if (this.parentSub === 'poison') transaction.doc.store.pendingStructs = { missing: new Map(), update: new Uint8Array() };
  });
}

const clock = Date.now() * 1024;
const poison = update({ good: [clock, { id: 'good', text: '' }], poison: [clock, { id: 'poison', text: '' }] });

/** A stranger whose frame passes every rule. Resolves with the code that its link is closed with. */
async function sendPoison(url: string): Promise<string | undefined> {
  const link = await rawLink(url);
  const { lineage, epoch, writerLast } = await greet(link);
  link.send(mutate({ lineage, epoch, clock, number: writerLast + 1, updates: [['notes', poison]] }));
  return (await link.closed).failed;
}

describe('a frame that breaks a document though every rule let it pass', () => {
  for (const [how, plant] of Object.entries({ 'makes apply throw': plantThrow, 'leaves something pending': plantPending })) {
    it(`[GA4] that ${how}: the room is built again from its log, nothing is lost, and everybody else is back`, async () => {
      const { storage, url, open, write, messages } = await scene();
      const ann = open('ann');
      const bob = open('bob');
      await write(ann, 'a');
      await write(bob, 'b');
      plant();
      // On their way while the room breaks.
      const during = Array.from({ length: 20 }, (_, index) => write(ann, `during-${index}`));
      expect(await sendPoison(url)).toBe('protocol.gateRefused');
      await Promise.all(during);
      await write(bob, 'z');
      const ids = ['a', 'b', ...Array.from({ length: 20 }, (_, index) => `during-${index}`), 'z'].toSorted();
      for (const store of [ann, bob]) {
        await expect
          .poll(() =>
            store
              .table('notes')
              .list()
              .map(({ id }) => id),
          )
          .toEqual(ids);
        expect(store.status).toMatchObject({ state: 'online', pending: 0 });
      }
      expect((await storage.entries('room', 0, 100)).length).toBe(ids.length);
      expect(messages()).toEqual(['frame kept for study', 'room thrown out of memory']);
    });
  }

  it('[GA5] is kept in the log of the relay, so that it can be tried again', async () => {
    const { url, open, write, kept } = await scene();
    await write(open('ann'), 'a');
    plantThrow();
    await sendPoison(url);
    const [frame] = kept();
    expect(frame).toMatchObject({ userId: 'eve', writer: WRITER, number: 1, mutation: expect.any(String), name: 'write' });
    expect(frame?.updates).toEqual([{ table: 'notes', base64: Buffer.from(poison).toString('base64') }]);
    expect(() => applyUpdate(new Doc(), Buffer.from(frame?.updates[0]?.base64 ?? '', 'base64'))).toThrow('a mistake in Yjs');
  });

  it('[GA6] breaks a room once: when it comes again it is refused, and nobody notices', async () => {
    const { url, open, write, messages } = await scene();
    const ann = open('ann');
    await write(ann, 'a');
    plantThrow();
    await sendPoison(url);
    await write(ann, 'b');
    const states: string[] = [];
    ann.status$.subscribe(({ state }) => states.push(state));
    expect(await sendPoison(url)).toBe('protocol.gateRefused');
    await write(ann, 'c');
    expect(new Set(states)).toEqual(new Set(['online']));
    expect(messages().length).toBe(2);
  });

  it('[GA4] a mutation of the server itself that breaks a document is rejected, and the room is built again', async () => {
    const { relay, open, write, messages } = await scene();
    const ann = open('ann');
    await write(ann, 'a');
    plantThrow();
    await expect(relay.mutate('room', 'write', { id: 'poison', text: '' })).rejects.toThrow('a mistake in Yjs');
    await relay.mutate('room', 'write', { id: 'b', text: '' });
    await expect
      .poll(() =>
        ann
          .table('notes')
          .list()
          .map(({ id }) => id),
      )
      .toEqual(['a', 'b']);
    expect(messages()).toEqual(['room thrown out of memory']);
  });
});
