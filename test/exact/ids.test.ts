import { defineAccess } from 'cotable';
import type { RelayStorage } from 'cotable/relay';
import { describe, expect, onTestFinished, test } from 'vitest';
import { keyOf } from '../spec/faults.ts';
import { createGate, type schema } from '../spec/support.ts';
import { hello, TYPES } from '../wire/raw-link.ts';
import { createExact } from './scene.ts';
import { entriesOf, stranger, welcomeIn } from './wire.ts';

const MUTED = { code: 'chat.muted', params: {} };
/** Refuses notes that are called so. */
const access = defineAccess<typeof schema>({ tables: { notes: { insert: (_, { after }) => after.title !== 'forbidden' } } });
const forbidden = { id: 'f', title: 'forbidden' };

describe('the id of a mutation', () => {
  test('[EX1] stays what it was when the mutation runs again, and so does all that is made of it', async () => {
    const world = await createExact((ctx, key) => ctx.table('things').set(String(key), { value: ctx.mutationId }));
    const { store } = world.open('a');
    await world.settle();
    await world.goOffline('a');
    const refused = await store.mutate.act('refused');
    const made = await store.mutate.act('made');
    await world.storage.refuse('room', [{ mark: keyOf(refused.id), refusal: MUTED }]);
    await world.comeBack('a');
    expect((await entriesOf(world.storage)).map(({ id }) => id)).toEqual([made.id]);
    expect([store.table('things').entries(), store.status.pending]).toEqual([[['made', { value: made.id }]], 0]);
  });

  test('[EX2] is marked with what was accepted: a device that lost its documents is told so after a restart of the relay', async () => {
    const world = await createExact();
    const one = world.open('a');
    await world.settle();
    one.line.deafen(true);
    const { id } = await one.store.mutate.count({ id: 'c' });
    await world.settle();
    expect(one.store.status.pending).toBe(1);
    await world.fill();
    await one.store.close();
    await world.forget();
    await world.restart();
    const again = world.open('b');
    await world.pass(1_500);
    expect((await entriesOf(world.storage)).filter((entry) => entry.id === id)).toHaveLength(1);
    const { status } = again.store;
    expect([status.pending, status.state, again.store.table('counters').get('c')]).toEqual([0, 'online', { n: 1 }]);
  });

  test('[EX3] is marked with what was refused: it is answered so after a restart of the relay, which would take it now', async () => {
    const world = await createExact(undefined, { access });
    const { store, line } = world.open('a');
    await world.settle();
    line.deafen(true);
    const { id } = await store.mutate.note(forbidden);
    await world.settle();
    await world.goOffline('a');
    line.deafen(false);
    await world.restart({});
    await world.comeBack('a');
    expect(await entriesOf(world.storage)).toEqual([]);
    expect(store.rejections.map((rejection) => [rejection.id, rejection.error.code])).toEqual([[id, 'access.denied']]);
    expect([store.status.pending, store.table('notes').count()]).toEqual([0, 0]);
  });
});

/** A relay whose disk takes its time, call by call. */
function slowDisk(): {
  readonly over: (kept: RelayStorage) => RelayStorage;
  readonly calls: readonly string[];
  /** From now on calls of this name wait for the function returned. */
  slow(name: 'accept' | 'refuse'): () => void;
} {
  const calls: string[] = [];
  const gates = new Map<string, ReturnType<typeof createGate>>();
  const slowly = async (name: string, work: () => Promise<void>): Promise<void> => {
    calls.push(name);
    await gates.get(name)?.passed;
    await work();
    calls.push(`${name} is done`);
  };
  return {
    calls,
    slow(name) {
      const gate = createGate();
      gates.set(name, gate);
      onTestFinished(gate.open);
      return gate.open;
    },
    over: (kept) => ({
      ...kept,
      accept: (...group) => slowly('accept', () => kept.accept(...group)),
      refuse: (...marks) => slowly('refuse', () => kept.refuse(...marks)),
    }),
  };
}

describe('a refusal', () => {
  test('[EX4] is kept behind all that was accepted before it', async () => {
    const disk = slowDisk();
    const world = await createExact(undefined, { access, storage: disk.over });
    const [alice, bob] = [world.open('a'), world.open('bob', { userId: 'bob' })];
    await world.settle();
    const release = disk.slow('accept');
    await bob.store.mutate.count({ id: 'c' });
    await world.settle();
    await alice.store.mutate.note(forbidden);
    await world.settle();
    expect(disk.calls).toEqual(['accept']);
    release();
    await world.settle();
    expect(disk.calls).toEqual(['accept', 'accept is done', 'refuse', 'refuse is done']);
    expect(alice.store.rejections).toHaveLength(1);
  });

  test('[EX5] is told when it is on disk, over the link that waits for it', async () => {
    const disk = slowDisk();
    const world = await createExact(undefined, { access, storage: disk.over });
    const { store, line } = world.open('a');
    await world.settle();
    const release = disk.slow('refuse');
    await store.mutate.note(forbidden);
    await world.settle();
    expect([disk.calls, store.rejections, store.status.state, line.links.length]).toEqual([['refuse'], [], 'online', 1]);
    release();
    await world.settle();
    expect(store.rejections.map(({ error }) => error.code)).toEqual(['access.denied']);
  });
});

describe('a handshake', () => {
  test('[EX6] lists what is pending in the tab', async () => {
    const world = await createExact();
    const { store, line } = world.open('a');
    await world.settle();
    await world.goOffline('a');
    const ids = [(await store.mutate.count({ id: 'c' })).id, (await store.mutate.count({ id: 'c' })).id];
    await world.comeBack('a');
    expect(line.sent().findLast(({ type }) => type === 'hello')).toMatchObject({ outbox: ids });
  });

  test('[EX7] lists what the tab has taken over from another', async () => {
    const world = await createExact();
    await world.goOffline('a', 'b');
    const one = world.open('a');
    await world.settle();
    const { id } = await one.store.mutate.count({ id: 'c' });
    await world.settle();
    world.net.freeze('a', true);
    const two = world.open('b');
    await world.pass(1_000);
    await world.comeBack('b');
    expect(two.line.sent()[0]).toMatchObject({ type: 'hello', outbox: [id] });
    expect((await entriesOf(world.storage)).map((entry) => entry.id)).toEqual([id]);
  });

  test('[EX8] lists what other tabs have pending', async () => {
    const world = await createExact();
    await world.goOffline('a', 'b');
    const [one, two] = [world.open('a'), world.open('b')];
    await world.pass(1_000);
    const { id } = await one.store.mutate.count({ id: 'c' });
    await world.settle();
    await world.comeBack('b');
    expect(two.line.sent()[0]).toMatchObject({ type: 'hello', outbox: [id] });
  });

  test('[EX9] is answered with what became of each mutation: its place in the log, its refusal, or nothing', async () => {
    const world = await createExact(undefined, { access });
    const { store } = world.open('a');
    await world.settle();
    const accepted = await store.mutate.count({ id: 'c' });
    await world.settle();
    const refused = await store.mutate.note(forbidden);
    await world.settle();
    const { replica } = keyOf(accepted.id);
    const { heard } = stranger(world.hub.transport('stranger'), hello({ userId: 'alice', outbox: [[replica, 1, 3]] }));
    await world.settle();
    const welcome = heard.find(({ type }) => type === TYPES.welcome);
    expect(welcome && welcomeIn(welcome.body).outcomes).toEqual({ [accepted.id]: 1, [refused.id]: 'access.denied' });
  });
});
