import { describe, expect, test } from 'vitest';
import { collect, createGate, level, rowsOf, turns, when } from '../spec/support.ts';
import { inLog, provenLog } from './log-proof.ts';
import { createAloneScene, createRelayScene } from './scene.ts';
import { createTabNet } from './tab-net.ts';
import { thing, writes } from './watch.ts';

const TOO_OLD = { code: 'schema.tooOld', params: { mine: 1, theirs: 2 } };

describe('a tab with an older version of the app', () => {
  test('[TB21] that opens after a newer one was here reads on and writes nothing', async () => {
    const world = createRelayScene(writes);
    const newer = world.openOffline('a', { schemaVersion: 2 });
    await newer.ready;
    await (
      await newer.mutate.act([['things', 'a', 1]])
    ).stored;
    await newer.close();
    const older = world.openOffline('b');
    const early = older.mutate.act([['things', 'early', 1]]);
    await expect(early).rejects.toMatchObject(TOO_OLD);
    await older.ready;
    expect(older.status).toMatchObject({ state: 'error', reason: TOO_OLD, pending: 1 });
    expect(older.table('things').get('a')).toEqual({ value: 1 });
    await expect(older.mutate.act([['things', 'late', 1]])).rejects.toMatchObject(TOO_OLD);
    world.comeBack('b');
    await turns(5);
    expect([older.status.state, older.table('things').count()]).toEqual(['error', 1]);
    await older.close();
    const again = world.openOffline('a', { schemaVersion: 2 });
    await again.ready;
    expect([again.table('things').list(), again.status.pending]).toEqual([[{ value: 1 }], 1]);
  });

  test('[TB28] has what it has pending run again by the newer one, before anything of it is shown there', async () => {
    const world = createRelayScene(writes);
    const older = world.openOffline('a');
    await (
      await older.mutate.act([['things', 'a', 1]])
    ).stored;
    const newer = world.openOffline('b', { schemaVersion: 2, act: (ctx) => ctx.table('things').set('a', { value: 'of version 2' }) });
    await newer.ready;
    expect(newer.table('things').list()).toEqual([{ value: 'of version 2' }]);
  });

  test('[TB22] that is open when a newer one comes does so too, and the newer one sends what it has pending', async () => {
    const world = createRelayScene(writes);
    const older = world.openOffline('a');
    await older.ready;
    const made = await older.mutate.act([['things', 'a', 1]]);
    await made.stored;
    const newer = world.openOffline('b', { schemaVersion: 2 });
    await when(older.status$, ({ state }) => state === 'error');
    expect(older.status.reason).toMatchObject(TOO_OLD);
    expect(older.table('things').get('a')).toEqual({ value: 1 });
    await expect(older.mutate.act([['things', 'b', 1]])).rejects.toMatchObject(TOO_OLD);
    await newer.ready;
    expect(newer.table('things').get('a')).toEqual({ value: 1 });
    // This relay knows version 1 only; who has to send it is on disk.
    const database = await world.disk.open('alice/room');
    const outbox = async () => (await database.range(['outbox'])).map(([, value]) => value as { id: string; owner: number });
    const maker = Number.parseInt(made.id.split('-')[0]!, 36);
    await expect.poll(async () => (await outbox()).map(({ owner }) => owner === maker)).toEqual([false]);
    expect((await outbox()).map(({ id }) => id)).toEqual([made.id]);
    expect((await provenLog(world.storage)).mutations).not.toContain(inLog(made.id));
  });

  test('[TB22] though they meet on the channel only, whoever speaks first', async () => {
    const world = createRelayScene(writes);
    const net = createTabNet();
    const newer = world.openOffline('a', { schemaVersion: 2, tabs: net.transport(), storage: createAloneScene().disk });
    await when(newer.status$, ({ state }) => state === 'offline');
    const older = world.open('b', { tabs: net.transport() });
    await when(older.status$, ({ state }) => state === 'error');
    await net.deliverAll();
    expect([older.status.reason, newer.status.state]).toMatchObject([TOO_OLD, 'offline']);
    await expect(older.mutate.act([])).rejects.toMatchObject(TOO_OLD);
  });

  test('[TB22] a mutator that awaits when the newer one comes is refused, and nothing happened', async () => {
    const gate = createGate();
    const world = createRelayScene(async (ctx) => {
      await gate.passed;
      ctx.table('things').set('a', { value: 1 });
    });
    const older = world.open('a');
    await level(older);
    const making = older.mutate.act(null);
    const lists = collect(older.table('things').rows$);
    world.openOffline('b', { schemaVersion: 2 });
    await when(older.status$, ({ state }) => state === 'error');
    gate.open();
    await expect(making).rejects.toMatchObject(TOO_OLD);
    expect([lists.length, older.table('things').count()]).toEqual([1, 0]);
  });

  test('[TB23] nothing that the older one was writing is left to nobody', async () => {
    const world = createRelayScene(writes);
    const net = createTabNet();
    const older = world.openOffline('a', { tabs: net.transport() });
    await older.ready;
    const newer = world.openOffline('b', { tabs: net.transport(), schemaVersion: 2 });
    const receipts = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        await turns(n % 5);
        return older.mutate.act([['things', `n${n}`, n]]).catch(() => undefined);
      }),
    );
    await when(older.status$, ({ state }) => state === 'error');
    await when(newer.status$, ({ state }) => state === 'offline');
    await net.deliverAll();
    const stored = await Promise.all(receipts.map((receipt) => receipt?.stored.then(() => receipt.id)));
    const ids = stored.filter((id) => id !== undefined);
    await older.close();
    await newer.close();
    const again = world.openOffline('c', { schemaVersion: 2 });
    await again.ready;
    expect(again.status.pending).toBe(ids.length);
  });

  test('[TB21] on a device of its own reads on and writes nothing', async () => {
    const world = createAloneScene(writes);
    const first = world.open('a');
    await (
      await first.mutate.act([['things', 'a', 1]])
    ).stored;
    const newer = world.open('b', { schemaVersion: 2 });
    await when(first.status$, ({ state }) => state === 'error');
    await expect(first.mutate.act([['things', 'b', 1]])).rejects.toMatchObject(TOO_OLD);
    await thing(newer, 'a', 1);
    await (
      await newer.mutate.act([['things', 'c', 1]])
    ).confirmed;
    const older = world.open('c');
    await older.ready;
    expect(older.status).toMatchObject({ state: 'error', reason: TOO_OLD });
    expect(rowsOf(older)).toEqual(rowsOf(newer));
    await expect(older.mutate.act([['things', 'b', 1]])).rejects.toMatchObject(TOO_OLD);
  });
});
