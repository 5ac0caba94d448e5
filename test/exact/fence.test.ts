import { describe, expect, test } from 'vitest';
import * as decoding from 'lib0/decoding';
import { keyOf } from '../spec/faults.ts';
import { collect } from '../spec/support.ts';
import { writes } from '../tabs/watch.ts';
import { hello, mutate, TYPES, update, WRITER } from '../wire/raw-link.ts';
import { createExact, type Exact, type ExactTab } from './scene.ts';
import { entriesOf, stranger, welcomeIn, type Sent, type SentHello, type Welcome } from './wire.ts';

const MUTED = { code: 'chat.muted', params: {} };

/**
 * Two tabs, each with a mutation that is stuck in its socket. One closes, and the other takes over: it has said hello
 * again, and what it replays waits for `go`.
 */
async function stalled(): Promise<{
  readonly world: Exact;
  readonly tabs: Readonly<Record<'own' | 'adopted', ExactTab>>;
  readonly ids: readonly string[];
  readonly go: () => Promise<void>;
}> {
  const world = await createExact(writes);
  const [own, adopted] = [world.open('a'), world.open('b')];
  await world.settle();
  for (const { line } of [own, adopted]) line.stall(true);
  const made = [await adopted.store.mutate.act([['things', 'adopted', 1]]), await own.store.mutate.act([['things', 'own', 1]])];
  await world.settle();
  await adopted.store.close();
  await world.pass(1_000);
  return {
    world,
    tabs: { own, adopted },
    ids: made.map(({ id }) => id).toSorted(),
    async go() {
      own.line.stall(false);
      own.line.links.at(-1)?.deliver();
      await world.pass(1_000);
    },
  };
}

describe('a handshake after a replay', () => {
  test.each(['own', 'adopted'] as const)(
    '[EX12] fences the writer whose socket may still deliver what is pending (%s), before it is sent again',
    async (which) => {
      const { world, tabs, ids, go } = await stalled();
      expect(await entriesOf(world.storage)).toEqual([]);
      const greeting = tabs.own.line.sent().findLast((frame): frame is SentHello => frame.type === 'hello');
      expect(greeting?.fence).toEqual(expect.arrayContaining([...writersOf(tabs[which].line.links[0]!.sent)]));
      tabs[which].line.links[0]?.deliver();
      await world.settle();
      expect(await entriesOf(world.storage)).toEqual([]);
      await go();
      expect((await entriesOf(world.storage)).map(({ id }) => id).toSorted()).toEqual(ids);
      expect([tabs.own.store.status.pending, tabs.own.store.status.state]).toEqual([0, 'online']);
    },
  );

  test('[EX13] fences writers for ever: one of them is given to nobody, whoever names it', async () => {
    const world = await createExact();
    const line = world.hub.transport('stranger');
    const first = stranger(line, hello({ userId: 'alice', replica: 1, writer: WRITER }));
    await world.settle();
    const second = stranger(line, hello({ userId: 'alice', replica: 2, writer: WRITER + 1, fence: [WRITER] }));
    await world.settle();
    await world.restart();
    const again = stranger(line, hello({ userId: 'alice', replica: 3, writer: WRITER }));
    await world.settle();
    expect([first, second].map((each) => welcomeOf(each).writer)).toEqual([WRITER, WRITER + 1]);
    expect(welcomeOf(again).writer).not.toBe(WRITER);
  });

  test('[EX42] is given a writer that is no other user’s, and whose mutations are numbered 1, 2, 3', async () => {
    const world = await createExact();
    const line = world.hub.transport('stranger');
    const alice = stranger(line, hello({ userId: 'alice', replica: 77, writer: WRITER }));
    await world.settle();
    const bob = stranger(line, hello({ userId: 'bob', replica: 78, writer: WRITER }));
    await world.settle();
    const { lineage, epoch, writer } = welcomeOf(alice);
    expect([writer, welcomeOf(bob).writer === WRITER]).toEqual([WRITER, false]);
    const clock = Date.now() * 1024;
    const updates = [['things', update({ a: [clock, { value: 1 }] }, { writer, map: 'things' })]] as const;
    alice.send(mutate({ lineage, epoch, clock, writer, number: 2, name: 'act', counter: 2, updates }));
    await world.settle();
    const said = alice.heard.flatMap(({ type, body }) => (type === TYPES.failed ? decoding.readVarString(body) : []));
    expect([said, await entriesOf(world.storage)]).toEqual([['writer.gap'], []]);
  });

  test('[EX14] is made by a new writer, and what ran again is sent over the link that has it', async () => {
    const world = await createExact(writes);
    const { store, line } = world.open('a');
    await world.settle();
    line.stall(true);
    const made = [await store.mutate.act([['things', 'refused', 1]]), await store.mutate.act([['things', 'kept', 1]])];
    await world.settle();
    await world.goOffline('a');
    world.hub.cut('a');
    line.stall(false);
    await world.storage.refuse('room', [{ mark: keyOf(made[0]!.id), refusal: MUTED }]);
    const states = collect(store.status$);
    await world.comeBack('a');
    expect((await entriesOf(world.storage)).map(({ id }) => id)).toEqual([made[1]!.id]);
    expect(states.map(({ state }) => state)).not.toContain('error');
    const used = line.links.map(({ sent }) => writersOf(sent));
    expect(used.map((writers, at) => writers.every((writer) => writer === line.links[at]!.writer))).not.toContain(false);
    expect([used[0]!.length, used.at(-1)!.length, used.at(-1)![0] === used[0]![0]]).toEqual([1, 1, false]);
  });
});

/** The writers of the mutations that were sent. */
function writersOf(sent: readonly Sent[]): readonly number[] {
  return [...new Set(sent.flatMap((frame) => (frame.type === 'mutate' ? frame.writer : [])))];
}

function welcomeOf({ heard }: ReturnType<typeof stranger>): Welcome {
  const found = heard.find(({ type }) => type === TYPES.welcome);
  if (!found) throw new Error('nobody was welcomed');
  return welcomeIn(decoding.clone(found.body));
}
