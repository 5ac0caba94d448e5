import { createStore, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RelayStorage } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { applyUpdate, Doc, encodeStateAsUpdate, Map as YMap } from 'yjs';
import { mutators, schema } from '../fixtures/notes.mjs';
import { frame, greet, hello, mutate, rawLink, TYPES, update, type Mutate, type RawLink, WRITER } from './raw-link.ts';

interface Scene {
  readonly url: string;
  readonly storage: RelayStorage;
  readonly good: Store<typeof schema>;
}

/** A relay with one good store in its room, which must not notice anything of what strangers send. */
async function scene(): Promise<Scene> {
  const storage = memoryRelayStorage();
  const relay = createRelay({ backend: { schema, mutators }, storage, limits: { helloMs: 500 } });
  onTestFinished(() => relay.close());
  const { url } = await relay.listen();
  const good = createStore({
    schema,
    mutators,
    room: 'room',
    userId: 'ann',
    storage: memoryClientStorage(),
    transports: [webSocket(url, { WebSocket })],
  });
  onTestFinished(() => good.close());
  await (
    await good.mutate.write({ id: 'mine', text: 'safe' })
  ).confirmed;
  return { url, storage, good };
}

async function stillWell({ good, storage }: Scene, entries = 2): Promise<void> {
  await (
    await good.mutate.write({ id: 'after', text: 'still here' })
  ).confirmed;
  expect(good.table('notes').list()).toEqual([
    { id: 'after', text: 'still here' },
    { id: 'mine', text: 'safe' },
  ]);
  expect(good.status.state).toBe('online');
  expect((await storage.entries('room', 0, 100)).length).toBe(entries);
}

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

/** A mutation that is right in all but one thing. */
const bad: Record<string, { readonly code: string; readonly change: (right: Mutate, now: number) => Partial<Mutate> }> = {
  'another lineage': { code: 'room.lineageChanged', change: ({ lineage }) => ({ lineage: lineage + 1 }) },
  'another epoch': { code: 'room.lineageChanged', change: ({ epoch }) => ({ epoch: epoch + 1 }) },
  'a writer that is not its own': { code: 'protocol.gateRefused', change: () => ({ writer: 89 }) },
  'a number after a gap': { code: 'writer.gap', change: () => ({ number: 2 }) },
  'a replica that no handshake named': { code: 'protocol.gateRefused', change: () => ({ replica: 78 }) },
  'a mutator that is not there': { code: 'mutation.unknown', change: () => ({ name: 'erase' }) },
  'a clock far ahead': {
    code: 'clock.outOfBounds',
    change: (_, now) => ({
      clock: (now + 120_000) * 1024,
      updates: [['notes', update({ x: [(now + 120_000) * 1024, { id: 'x', text: '' }] })]],
    }),
  },
  'a cell of another clock': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['notes', update({ x: [clock + 1, { id: 'x', text: '' }] })]] }),
  },
  'a table that is not there': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['secrets', update({ x: [clock] }, { map: 'secrets' })]] }),
  },
  'the map of another table': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['notes', update({ x: [clock] }, { map: 'other' })]] }),
  },
  'a table twice': { code: 'protocol.gateRefused', change: ({ updates }) => ({ updates: [...updates, ...updates] }) },
  'structs of another client': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['notes', update({ x: [clock] }, { writer: 5 })]] }),
  },
  'a struct clock that skips': {
    code: 'protocol.gateRefused',
    change({ clock }) {
      const doc = new Doc();
      doc.clientID = WRITER;
      const updates: Uint8Array[] = [];
      doc.on('update', (bytes: Uint8Array) => updates.push(bytes));
      doc.getMap('notes').set('w', [clock]);
      doc.getMap('notes').set('x', [clock]);
      return { updates: [['notes', updates[1] ?? new Uint8Array()]] };
    },
  },
  'an origin that is not known': {
    code: 'protocol.gateRefused',
    change({ clock }) {
      const other = new Doc();
      other.clientID = 4711;
      other.getMap('notes').set('x', [clock]);
      const doc = new Doc();
      doc.clientID = WRITER;
      // What the other client wrote never reached the relay.
      applyUpdate(doc, encodeStateAsUpdate(other));
      const updates: Uint8Array[] = [];
      doc.on('update', (bytes: Uint8Array) => updates.push(bytes));
      doc.getMap('notes').set('x', [clock, { id: 'x', text: '' }]);
      return { updates: [['notes', updates[0] ?? new Uint8Array()]] };
    },
  },
  'a value that is no cell': { code: 'protocol.gateRefused', change: () => ({ updates: [['notes', update({ x: 'text' })]] }) },
  'a row that is no object': { code: 'protocol.gateRefused', change: ({ clock }) => ({ updates: [['notes', update({ x: [clock, 5] })]] }) },
  'a number that is not finite': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['notes', update({ x: [clock, { id: Number.NaN }] })]] }),
  },
  'bytes as a value': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['notes', update({ x: [clock, { id: new Uint8Array(3) }] })]] }),
  },
  'a value that is too deep': {
    code: 'protocol.gateRefused',
    change: ({ clock }) => ({ updates: [['notes', update({ x: [clock, { id: nested(40) }] })]] }),
  },
  'a key that is empty': { code: 'protocol.gateRefused', change: ({ clock }) => ({ updates: [['notes', update({ '': [clock] })]] }) },
  'an update that is none': { code: 'protocol.gateRefused', change: () => ({ updates: [['notes', new Uint8Array([1, 2, 3, 200])]] }) },
  'a nested type': {
    code: 'protocol.gateRefused',
    change() {
      const doc = new Doc();
      doc.clientID = WRITER;
      doc.getMap('notes').set('x', new YMap());
      return { updates: [['notes', encodeStateAsUpdate(doc)]] };
    },
  },
  'an action that is not there': { code: 'action.unknown', change: () => ({ intents: [['launch', '{}']] }) },
};

async function eve(url: string): Promise<{ readonly link: RawLink; readonly right: Mutate; readonly now: number }> {
  const link = await rawLink(url);
  const { lineage, epoch, now } = await greet(link);
  const clock = now * 1024;
  return { link, now, right: { lineage, epoch, clock, updates: [['notes', update({ x: [clock, { id: 'x', text: '' }] })]] } };
}

describe('what a relay refuses', () => {
  for (const [what, { code, change }] of Object.entries(bad)) {
    it(`[WR1] a mutation with ${what} closes its link with ${code}, and nobody else notices`, async () => {
      const all = await scene();
      const { link, right, now } = await eve(all.url);
      link.send(mutate({ ...right, ...change(right, now) }));
      expect(await link.closed).toEqual({ code: expect.any(Number), reason: code, failed: code });
      await stillWell(all);
    });
  }

  it('[WR2] the very mutation those are made of is accepted', async () => {
    const all = await scene();
    const { link, right } = await eve(all.url);
    link.send(mutate(right));
    await expect.poll(() => all.good.table('notes').has('x')).toBe(true);
    expect(link.bodies(TYPES.failed)).toEqual([]);
  });

  const strange: Record<string, { readonly code: string; readonly send: (link: RawLink) => void }> = {
    'bytes that are no message': { code: 'protocol.badFrame', send: (link) => link.sendBytes(new Uint8Array([255, 255, 255])) },
    text: { code: 'protocol.badFrame', send: (link) => link.sendBytes('hello') },
    'a frame of another version': {
      code: 'protocol.unsupportedVersion',
      send: (link) => link.send(frame(TYPES.hello, () => undefined, 9)),
    },
    'a frame of no known type': { code: 'protocol.badFrame', send: (link) => link.send(frame(99, () => undefined)) },
    'a frame that ends early': { code: 'protocol.badFrame', send: (link) => link.send(hello({}).subarray(0, 8)) },
    'a frame with bytes left over': { code: 'protocol.badFrame', send: (link) => link.send(new Uint8Array([...hello({}), 0])) },
    'what only a relay sends': { code: 'protocol.badFrame', send: (link) => link.send(frame(TYPES.pong, () => undefined)) },
    'a mutation before hello': {
      code: 'protocol.badFrame',
      send: (link) => link.send(mutate({ lineage: 1, epoch: 1, clock: 1, updates: [] })),
    },
    'an older schema': { code: 'schema.tooOld', send: (link) => link.send(hello({ schemaVersion: 0 })) },
    'a newer schema': { code: 'schema.tooNew', send: (link) => link.send(hello({ schemaVersion: 2 })) },
    'no user': { code: 'auth.required', send: (link) => link.send(hello({ userId: '' })) },
    'a room without a name': { code: 'room.invalidName', send: (link) => link.send(hello({ room: '' })) },
    'an outbox that is none': { code: 'protocol.badFrame', send: (link) => link.send(hello({ outbox: [[1, 1, 2 ** 50]] })) },
    'a frame over the limit': { code: 'protocol.frameTooLarge', send: (link) => link.send(new Uint8Array(300 * 1024)) },
  };
  for (const [what, { code, send }] of Object.entries(strange)) {
    it(`[WR3] ${what} closes the link with ${code}, and nobody else notices`, async () => {
      const all = await scene();
      const link = await rawLink(all.url);
      send(link);
      expect((await link.closed).reason).toBe(code);
      await stillWell(all);
    });
  }

  it('[WR3] a message over the limit closes the link with the code that WebSockets have for it, and nobody else notices', async () => {
    const all = await scene();
    const { link } = await eve(all.url);
    link.sendBytes(new Uint8Array(1200 * 1024));
    expect((await link.closed).code).toBe(1009);
    await stillWell(all);
  });

  it('[WR4] a link that says nothing is closed with protocol.timeout', async () => {
    const all = await scene();
    const link = await rawLink(all.url);
    expect((await link.closed).failed).toBe('protocol.timeout');
    await stillWell(all);
  });

  it('[WR5] a mutation that comes again is answered as before, and takes effect once', async () => {
    const all = await scene();
    const { link, right } = await eve(all.url);
    link.send(mutate(right));
    link.send(mutate(right));
    await expect.poll(() => link.bodies(TYPES.outcome).length).toBe(1);
    expect((await all.storage.entries('room', 0, 100)).length).toBe(2);
    expect(link.bodies(TYPES.failed)).toEqual([]);
  });
});
