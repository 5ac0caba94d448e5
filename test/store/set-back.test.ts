import { createStore, type ClientStorage, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { mutators, schema } from '../fixtures/notes.mjs';

type Notes = Store<typeof schema>;

function open(hub: MemoryHub, userId: string, storage: ClientStorage): Notes {
  const store = createStore({ schema, mutators, room: 'room', storage, transports: [hub.transport(userId)], userId });
  onTestFinished(() => store.close());
  return store;
}

async function write(store: Notes, id: string): Promise<void> {
  await (
    await store.mutate.write({ id, text: id })
  ).confirmed;
}

const idsOf = (store: Notes): string[] =>
  store
    .table('notes')
    .list()
    .map((note) => note.id);

/** A relay on a disk; calling what it returns shuts it down. */
function start(hub: MemoryHub, disk: ReturnType<typeof memoryRelayDisk>): () => Promise<void> {
  const relay = createRelay({ backend: { schema, mutators }, storage: memoryRelayStorage(disk), acceptors: [hub.acceptor()] });
  onTestFinished(() => relay.close());
  return () => relay.close();
}

describe('a relay that was set back to an older copy of its disk', () => {
  it('[SB1] is followed by a store that knew more: it takes what the relay has, keeps what is pending, and can be opened again', async () => {
    const hub = memoryHub();
    const disk = memoryRelayDisk();
    const stop = start(hub, disk);
    const storage = memoryClientStorage({ durable: true });
    const ann = open(hub, 'ann', storage);
    await write(ann, 'a');
    const copy = structuredClone(disk);
    for (const id of ['b', 'c', 'd']) await write(ann, id);
    hub.setAvailable('ann', false);
    await stop();
    await ann.mutate.write({ id: 'p', text: 'p' });

    start(hub, copy);
    const ben = open(hub, 'ben', memoryClientStorage());
    await write(ben, 'x');
    const states: string[] = [];
    ann.status$.subscribe(({ state }) => states.push(`${state} ${idsOf(ann).length}`));
    hub.setAvailable('ann', true);
    await expect.poll(() => idsOf(ann)).toEqual(['a', 'p', 'x']);
    await expect.poll(() => idsOf(ben)).toEqual(['a', 'p', 'x']);
    expect(ann.status).toMatchObject({ state: 'online', pending: 0 });
    expect(states).not.toContain('online 5');

    await write(ben, 'y');
    await expect.poll(() => idsOf(ann)).toEqual(['a', 'p', 'x', 'y']);
    await ann.close();
    const again = open(hub, 'ann', storage);
    await again.ready;
    expect(idsOf(again)).toEqual(['a', 'p', 'x', 'y']);
    await again.synced;
  });
});

describe('a newcomer', () => {
  it('[SB2] misses nothing of what is kept in the very turn in which it gets level', async () => {
    const hub = memoryHub();
    const real = memoryRelayStorage();
    const between: { run?: () => Promise<void> } = {};
    const relay = createRelay({
      backend: { schema, mutators },
      acceptors: [hub.acceptor()],
      storage: {
        ...real,
        // Answers the newcomer's last page together with the next commit.
        async entries(...args) {
          const page = await real.entries(...args);
          await between.run?.();
          return page;
        },
      },
    });
    onTestFinished(() => relay.close());
    const ann = open(hub, 'ann', memoryClientStorage());
    await write(ann, 'a');
    let n = 0;
    between.run = async () => {
      if (n < 3) await (await ann.mutate.write({ id: `between-${n++}`, text: '' })).confirmed;
    };
    const ben = open(hub, 'ben', memoryClientStorage());
    await ben.synced;
    await write(ann, 'z');
    await vi.waitFor(() => expect(idsOf(ben)).toEqual(idsOf(ann)));
    expect(n).toBeGreaterThan(0);
  });
});

describe('a store that is level while the relay still sends what came since', () => {
  it('[SB4] may send at once: nothing of it is refused, and the link stays', async () => {
    const hub = memoryHub();
    const real = memoryRelayStorage();
    const between: { run?: () => Promise<void> } = {};
    const relay = createRelay({
      backend: { schema, mutators },
      acceptors: [hub.acceptor()],
      storage: {
        ...real,
        async entries(...args) {
          const page = await real.entries(...args);
          await between.run?.();
          return page;
        },
      },
    });
    onTestFinished(() => relay.close());
    const [ann, ben] = [open(hub, 'ann', memoryClientStorage()), open(hub, 'ben', memoryClientStorage())];
    await Promise.all([ann.synced, ben.synced]);
    hub.setAvailable('ben', false);
    await write(ann, 'a');
    const receipt = await ben.mutate.write({ id: 'pending', text: '' });
    let pages = 0;
    between.run = async () => {
      pages += 1;
      // With the first page ben has all that he was told of; what comes now is more, and its page takes its time.
      if (pages === 1) await write(ann, 'since');
      else await new Promise((resolve) => setTimeout(resolve, 50));
    };
    const states: string[] = [];
    ben.status$.subscribe(({ state, reason }) => states.push(`${state} ${reason?.code ?? ''}`.trim()));
    hub.setAvailable('ben', true);
    await receipt.confirmed;
    await vi.waitFor(() => expect(idsOf(ben)).toEqual(['a', 'pending', 'since']));
    expect(pages).toBeGreaterThan(1);
    // The first is what stood before the way was free.
    expect(states.slice(1).filter((state) => /^(error|offline)/.test(state))).toEqual([]);
  });
});

describe('a device that keeps nothing, with something pending that cannot run again', () => {
  it('[SB3] comes online and tells of the rejection', async () => {
    const hub = memoryHub();
    const stop = start(hub, memoryRelayDisk());
    const real = memoryClientStorage({ durable: true });
    let isFull = false;
    const storage: ClientStorage = {
      async open(name) {
        const database = await real.open(name);
        return { ...database, write: (batch) => (isFull ? Promise.reject(new Error('full')) : database.write(batch)) };
      },
    };
    // A mutator of its own: it needs a row that the room made anew will not have.
    const needy = {
      write: (ctx: Parameters<typeof mutators.write>[0], input: { id: string; text: string }) => {
        if (input.id === 'needs-a' && !ctx.table('notes').has('a')) throw new Error('a is gone');
        ctx.table('notes').set(input.id, input);
      },
    };
    const ann = createStore({ schema, mutators: needy, room: 'room', storage, transports: [hub.transport('ann')], userId: 'ann' });
    onTestFinished(() => ann.close());
    await write(ann, 'a');
    isFull = true;
    hub.setAvailable('ann', false);
    const receipt = await ann.mutate.write({ id: 'needs-a', text: '' });
    const last = await ann.mutate.write({ id: 'last', text: '' });
    await stop();
    start(hub, memoryRelayDisk());
    hub.setAvailable('ann', true);
    await expect(receipt.confirmed).rejects.toMatchObject({ code: 'mutation.failed' });
    await last.confirmed;
    expect(ann.status).toMatchObject({ state: 'online', pending: 0, durable: false });
    expect(ann.rejections.map(({ id }) => id)).toEqual([receipt.id]);
    expect(idsOf(ann)).toEqual(['last']);
  });

  it('[SB5] tells of a rejection until what it gave up arrives after all, sent by another tab', async () => {
    const hub = memoryHub();
    const stop = start(hub, memoryRelayDisk());
    const real = memoryClientStorage({ durable: true });
    let isFull = false;
    const failing: ClientStorage = {
      async open(name) {
        const database = await real.open(name);
        const full = async (): Promise<never> => {
          throw new Error('full');
        };
        return {
          ...database,
          write: (batch) => (isFull ? full() : database.write(batch)),
          update: (keys, change) => (isFull ? full() : database.update(keys, change)),
        };
      },
    };
    const needy = {
      write: (ctx: Parameters<typeof mutators.write>[0], input: { id: string; text: string }) => {
        if (input.id === 'needs-a' && !ctx.table('notes').has('a')) throw new Error('a is gone');
        ctx.table('notes').set(input.id, input);
      },
    };
    const openAnn = (line: string, storage: ClientStorage): Notes => {
      const transports = [hub.transport(line)];
      const store = createStore({ schema, mutators: needy, room: 'room', storage, transports, userId: 'ann' });
      onTestFinished(() => store.close());
      return store;
    };
    const losing = openAnn('losing', failing);
    await write(losing, 'a');
    for (const line of ['losing', 'keeping']) hub.setAvailable(line, false);
    const given = await losing.mutate.write({ id: 'needs-a', text: '' });
    await given.stored;
    const keeping = openAnn('keeping', real);
    await keeping.ready;
    expect(keeping.status.pending).toBe(1);
    isFull = true;
    await stop();
    start(hub, memoryRelayDisk());
    hub.setAvailable('losing', true);
    await expect(given.confirmed).rejects.toMatchObject({ code: 'mutation.failed' });
    expect([losing.rejections.map(({ id }) => id), idsOf(losing)]).toEqual([[given.id], []]);

    const ben = open(hub, 'ben', memoryClientStorage());
    await write(ben, 'a');
    hub.setAvailable('keeping', true);
    await expect.poll(() => idsOf(losing).toSorted()).toEqual(['a', 'needs-a']);
    expect(losing.rejections).toEqual([]);
    expect(keeping.status).toMatchObject({ state: 'online', pending: 0 });
  });
});
