import { describe, expect, test } from 'vitest';
import * as decoding from 'lib0/decoding';
import { keyOf } from '../spec/faults.ts';
import { collect } from '../spec/support.ts';
import { writes } from '../tabs/watch.ts';
import { hello, mutate, TYPES, update } from '../wire/raw-link.ts';
import { createExact, type Exact, type ExactTab } from './scene.ts';
import { entriesOf, stranger, type SentHello, type SentMutation } from './wire.ts';

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
      tabs[which].line.links[0]?.deliver();
      await world.settle();
      expect(await entriesOf(world.storage)).toEqual([]);
      await go();
      expect((await entriesOf(world.storage)).map(({ id }) => id).toSorted()).toEqual(ids);
      expect([tabs.own.store.status.pending, tabs.own.store.status.state]).toEqual([0, 'online']);
    },
  );

  test('[EX13] names a writer that the relay never takes again, whoever names it', async () => {
    const world = await createExact();
    const line = world.hub.transport('stranger');
    const first = stranger(line, hello({ userId: 'alice', writer: 88 }));
    await world.settle();
    stranger(line, hello({ userId: 'alice', writer: 89, fence: [88] }));
    await world.settle();
    await world.restart();
    const again = stranger(line, hello({ userId: 'alice', writer: 88 }));
    await world.settle();
    expect(first.heard.some(({ type }) => type === TYPES.welcome)).toBe(true);
    expect(again.heard.map(({ type, body }) => type === TYPES.failed && decoding.readVarString(body))).toEqual(['writer.fenced']);
  });

  test('[EX42] names a writer that is one user’s own, and whose mutations are numbered 1, 2, 3', async () => {
    const world = await createExact();
    const line = world.hub.transport('stranger');
    const alice = stranger(line, hello({ userId: 'alice', writer: 88 }));
    await world.settle();
    const bob = stranger(line, hello({ userId: 'bob', writer: 88 }));
    await world.settle();
    const said = ({ heard }: typeof bob): readonly string[] =>
      heard.flatMap(({ type, body }) => (type === TYPES.failed ? decoding.readVarString(body) : []));
    expect([said(alice), said(bob)]).toEqual([[], ['writer.fenced']]);
    const { body } = alice.heard.find(({ type }) => type === TYPES.welcome)!;
    const [lineage, epoch] = [decoding.readVarUint(body), decoding.readVarUint(body)];
    const clock = Date.now() * 1024;
    const write = (number: number): Uint8Array => {
      const updates = [['things', update({ [`n${number}`]: [clock, { value: 1 }] }, { map: 'things' })]] as const;
      return mutate({ lineage, epoch, clock, number, name: 'act', counter: number, updates });
    };
    alice.send(write(2));
    await world.settle();
    expect([said(alice), await entriesOf(world.storage)]).toEqual([['writer.gap'], []]);
  });

  test('[EX14] is made by a new writer, and what ran again is sent over the link that named it', async () => {
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
    const named = line.links.map(({ sent }) => sent.find((frame): frame is SentHello => frame.type === 'hello')?.writer);
    const used = line.links.map(({ sent }) => [
      ...new Set(sent.filter((frame): frame is SentMutation => frame.type === 'mutate').map(({ writer }) => writer)),
    ]);
    const last = named.at(-1)!;
    expect(named.slice(0, -1)).not.toContain(last);
    expect(used.map((writers, at) => writers.every((writer) => writer === named[at]))).not.toContain(false);
    expect(used.at(-1)).toEqual([last]);
  });
});
