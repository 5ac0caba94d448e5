import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RelayStorage } from 'cotable/relay';
import * as encoding from 'lib0/encoding';
import { describe, expect, it, onTestFinished } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';
import { frame, greet, mutate, rawLink, TYPES, update, WRITER, type RawLink } from './raw-link.ts';

interface Scene {
  readonly storage: RelayStorage;
  readonly link: () => Promise<RawLink>;
  /** Another relay on the same disk. */
  restart(): Promise<void>;
}

async function scene(): Promise<Scene> {
  const storage = memoryRelayStorage();
  // It outlives its relays.
  const lasting: RelayStorage = { ...storage, close: async () => undefined };
  const start = async () => {
    const relay = createRelay({ backend: { schema, mutators }, storage: lasting });
    onTestFinished(() => relay.close());
    return { relay, url: (await relay.listen()).url };
  };
  let running = await start();
  return {
    storage,
    link: () => rawLink(running.url),
    async restart() {
      await running.relay.close();
      running = await start();
    },
  };
}

const bye = (writer: number, last: number): Uint8Array =>
  frame(6, (out) => {
    encoding.writeVarUint(out, writer);
    encoding.writeVarUint(out, last);
  });

/** Writes a row over a link and waits until it is kept. */
async function write(
  link: RawLink,
  at: Awaited<ReturnType<typeof greet>>,
  fields: { writer: number; number: number; replica: number },
): Promise<void> {
  const before = link.bodies(TYPES.entries).length;
  const clock = at.now * 1024;
  const id = `${fields.replica}-${fields.number}`;
  const updates = [['notes', update({ [id]: [clock, { id, text: '' }] }, { writer: fields.writer })]] as const;
  link.send(mutate({ ...at, ...fields, counter: fields.number, clock, updates }));
  await expect.poll(() => link.bodies(TYPES.entries).length).toBe(before + 1);
}

async function holderOf({ storage }: Scene, writer: number): Promise<unknown> {
  return (await storage.writers('room', [writer]))[0];
}

describe('a writer', () => {
  it('[WL1] is leased to an open of a store that names none: small, one for each, the same when it asks again, after a restart too', async () => {
    const all = await scene();
    const [one, two] = [await all.link(), await all.link()];
    expect(await greet(one, { writer: 0, replica: 71 })).toMatchObject({ writer: 2, writerLast: 0 });
    expect(await greet(two, { writer: 0, replica: 72 })).toMatchObject({ writer: 3, writerLast: 0 });
    const again = await all.link();
    expect(await greet(again, { writer: 0, replica: 71 })).toMatchObject({ writer: 2 });
    // A store has one link: the former is closed.
    expect((await one.closed).failed).toBe('writer.fenced');
    await all.restart();
    expect(await greet(await all.link(), { writer: 0, replica: 72 })).toMatchObject({ writer: 3 });
    expect(await greet(await all.link(), { writer: 2, replica: 71 })).toMatchObject({ writer: 2 });
  });

  it('[WL2] that was given back is leased again, to another user too, and its numbers go on', async () => {
    const all = await scene();
    const link = await all.link();
    const at = await greet(link, { writer: 0, replica: 71 });
    await write(link, at, { writer: 2, number: 1, replica: 71 });
    link.send(bye(2, 1));
    await expect.poll(() => holderOf(all, 2)).toMatchObject({ holder: 0, last: 1 });
    expect(await greet(await all.link(), { userId: 'max', writer: 0, replica: 72 })).toMatchObject({ writer: 2, writerLast: 1 });
  });

  it.each([
    ['the link is just gone', (link: RawLink) => link.socket.close()],
    ['its last number is another', (link: RawLink) => link.send(bye(2, 0))],
    ['a mutation is on its way', (link: RawLink, next: Uint8Array) => link.send(next, bye(2, 1))],
  ])('[WL3] is not leased to anybody else when %s', async (_, leave) => {
    const all = await scene();
    const link = await all.link();
    const at = await greet(link, { writer: 0, replica: 71 });
    await write(link, at, { writer: 2, number: 1, replica: 71 });
    const clock = at.now * 1024 + 1;
    leave(link, mutate({ ...at, writer: 2, number: 2, replica: 71, counter: 2, clock, updates: [] }));
    link.socket.close();
    await link.closed;
    expect(await greet(await all.link(), { writer: 0, replica: 72 })).toMatchObject({ writer: 3 });
    expect(await holderOf(all, 2)).toMatchObject({ holder: 71 });
  });

  it('[WL3] is not leased to anybody else when it was fenced, or when a store had picked it', async () => {
    const all = await scene();
    const link = await all.link();
    await greet(link, { writer: 0, replica: 71 });
    await greet(await all.link(), { writer: WRITER, replica: 72, fence: [2] });
    expect((await link.closed).failed).toBe('writer.fenced');
    const picked = await all.link();
    await greet(picked, { writer: WRITER, replica: 73 });
    picked.send(bye(WRITER, 0));
    picked.socket.close();
    await picked.closed;
    expect(await greet(await all.link(), { writer: 0, replica: 74 })).toMatchObject({ writer: 3 });
    expect(await holderOf(all, WRITER)).toBeUndefined();
  });

  it('[WL4] that is not the one of who names it is not taken: another one is leased, and the named one is left alone', async () => {
    const all = await scene();
    const holder = await all.link();
    const at = await greet(holder, { userId: 'ann', writer: 0, replica: 71 });
    for (const [replica, fields] of [
      [72, { userId: 'ann', writer: 2 }],
      [73, { userId: 'eve', writer: 2 }],
      [74, { userId: 'eve', writer: 1 }],
      [75, { userId: 'eve', writer: 99 }],
      [76, { userId: 'eve', writer: 0, fence: [1, 2, 99] }],
    ] as const) {
      const { writer } = await greet(await all.link(), { ...fields, replica });
      expect(writer, `replica ${replica}`).toBe(replica - 69);
    }
    await write(holder, at, { writer: 2, number: 1, replica: 71 });
    expect(await all.storage.writers('room', [1, 99])).toEqual([undefined, undefined]);
    const gone = await all.link();
    const { writer } = await greet(gone, { writer: 0, replica: 77 });
    gone.send(bye(writer, 0));
    await expect.poll(() => holderOf(all, writer)).toMatchObject({ holder: 0 });
    // It says that it is who it was: by now somebody else may be.
    expect(await greet(await all.link(), { writer: 0, replica: 78 })).toMatchObject({ writer });
    expect(await greet(await all.link(), { writer, replica: 77 })).toMatchObject({ writer: writer + 1 });
  });

  it('[WL5] that may carry what is pending is fenced when the relay answers with a snapshot, and only then', async () => {
    const all = await scene();
    const at = await greet(await all.link(), { writer: WRITER, replica: 71, outbox: [[71, 1, 2]] });
    expect(at).toMatchObject({ writer: 2, writerLast: 0 });
    expect(await holderOf(all, WRITER)).toMatchObject({ fenced: true });
    const { lineage, epoch } = at;
    expect(await greet(await all.link(), { writer: 2, replica: 71, lineage, epoch, outbox: [[71, 1, 2]] })).toMatchObject({ writer: 2 });
    expect(await greet(await all.link(), { writer: 2, replica: 71 })).toMatchObject({ writer: 2 });
    expect(await greet(await all.link(), { writer: 2, replica: 71, outbox: [[71, 1, 2]] })).toMatchObject({ writer: 3 });
    expect(await holderOf(all, 2)).toMatchObject({ fenced: true });
  });
});
