import { defineSchema, table } from 'cotable';
import { defineBackendConfig, definePlatform } from 'cotable/relay';
import { createTestCluster, type TestCluster } from 'cotable/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { mutators, schema } from '../fixtures/notes.mjs';

async function open(): Promise<TestCluster<typeof schema>> {
  const cluster = await createTestCluster({ backend: { schema, mutators } });
  onTestFinished(() => cluster.close());
  return cluster;
}

describe('a test cluster', () => {
  it('[SM7] brings what one store writes to another when it settles, and not before', async () => {
    const cluster = await open();
    const alice = await cluster.store({ userId: 'alice' });
    const bob = await cluster.store({ userId: 'bob' });
    await cluster.settle();
    const receipt = await alice.mutate.write({ id: 'n', text: 'hello' });
    expect(bob.table('notes').count()).toBe(0);
    await cluster.settle();
    await receipt.confirmed;
    expect(bob.table('notes').get('n')).toEqual({ id: 'n', text: 'hello' });
  });

  it('[SM8] has a network that can be cut, held and out of reach', async () => {
    const cluster = await open();
    const alice = await cluster.store({ userId: 'alice' });
    const bob = await cluster.store({ userId: 'bob' });
    await cluster.settle();
    cluster.network.hold('alice');
    await alice.mutate.write({ id: 'n', text: 'held' });
    await cluster.clock.advance(5_000);
    expect(bob.table('notes').count()).toBe(0);
    cluster.network.release('alice');
    await cluster.settle();
    expect(bob.table('notes').count()).toBe(1);

    cluster.network.setReachable('alice', false);
    cluster.network.cut('alice');
    await alice.mutate.write({ id: 'm', text: 'offline' });
    await expect(cluster.settle()).rejects.toThrow(/stuck: .*alice 1 is offline with 1 pending/);
    cluster.network.setReachable('alice', true);
    await cluster.settle();
    expect(bob.table('notes').count()).toBe(2);
  });

  it('[SM9] has tabs and a relay that crash, and devices that keep what was on disk', async () => {
    const cluster = await open();
    const tab = await cluster.store({ userId: 'alice', device: 'laptop' });
    cluster.network.setReachable('laptop', false);
    const kept = await tab.mutate.write({ id: 'kept', text: '' });
    await cluster.clock.advance(10);
    await kept.stored;
    await tab.mutate.write({ id: 'lost', text: '' });
    await cluster.crash(tab);
    cluster.network.setReachable('laptop', true);
    const again = await cluster.store({ userId: 'alice', device: 'laptop' });
    expect(again.table('notes').list()).toEqual([{ id: 'kept', text: '' }]);
    await cluster.settle();
    await cluster.crash('relay');
    const bob = await cluster.store({ userId: 'bob' });
    await cluster.settle();
    expect(bob.table('notes').list()).toEqual(again.table('notes').list());
  });

  it('[SM15] has devices that lose what they have stored: open stores go on without', async () => {
    const cluster = await open();
    const tab = await cluster.store({ userId: 'alice', device: 'laptop' });
    await cluster.settle();
    cluster.network.cut('laptop');
    cluster.network.setReachable('laptop', false);
    await tab.mutate.write({ id: 'before', text: '' });
    await cluster.clock.advance(100);
    await cluster.evict('laptop');
    const unkept = await tab.mutate.write({ id: 'after', text: '' });
    await cluster.clock.advance(100);
    await expect(unkept.stored).rejects.toMatchObject({ code: 'storage.closed' });
    expect(tab.status).toMatchObject({ state: 'offline', durable: false, pending: 2 });
    cluster.network.setReachable('laptop', true);
    const other = await cluster.store({ userId: 'alice', device: 'laptop' });
    await cluster.settle();
    expect(other.table('notes').list()).toEqual(tab.table('notes').list());
    expect(other.table('notes').count()).toBe(2);
  });

  it('[SM16] a tab that has lost its storage does not wait for what another one took with it', async () => {
    const cluster = await open();
    const [tab, other] = [
      await cluster.store({ userId: 'alice', device: 'laptop' }),
      await cluster.store({ userId: 'alice', device: 'laptop' }),
    ];
    await cluster.settle();
    cluster.network.cut('laptop');
    cluster.network.setReachable('laptop', false);
    await other.mutate.write({ id: 'n', text: 'gone with its tab' });
    await cluster.clock.advance(100);
    expect(tab.table('notes').count()).toBe(1);
    await cluster.evict('laptop');
    await tab.mutate.write({ id: 'n', text: 'built on that' });
    await cluster.crash(other);
    cluster.network.setReachable('laptop', true);
    await cluster.settle();
    expect(tab.table('notes').list()).toEqual([{ id: 'n', text: 'built on that' }]);
  });

  it('[SM23] has actions that take their time from its clock, outlive its relay, and are waited for', async () => {
    const schema = defineSchema({
      schemaVersion: 1,
      tables: { answers: { schema: table(z.object({ text: z.string(), attempt: z.number() })) } },
      mutators: {},
      actions: { answer: { input: z.object({ id: z.string() }), output: z.string(), stream: { kind: 'text' } } },
    });
    const platform = definePlatform({ think: async (_: number): Promise<void> => undefined });
    const texts: string[] = [];
    const cluster = await createTestCluster({
      backend: defineBackendConfig<typeof schema, typeof platform>({
        schema,
        mutators: {},
        platform,
        actions: {
          answer: {
            async run(ctx) {
              ctx.broadcastStream('well, ');
              await ctx.platform.call('think', 60_000);
              ctx.broadcastStream(`at ${ctx.attempt}`);
              return 'done';
            },
            onSettled: (ctx, { id, text }) => ctx.table('answers').set(id, { text, attempt: text === '' ? 0 : Number(text.at(-1)) }),
          },
        },
      }),
      platform: ({ sleep }) => ({ think: sleep }),
    });
    onTestFinished(() => cluster.close());
    const alice = await cluster.store({ userId: 'alice' });
    const bob = await cluster.store({ userId: 'bob' });
    await cluster.settle();
    const handle = alice.action.answer({ id: 'a' });
    await cluster.clock.advance(30_000);
    expect(handle.status).toBe('running');
    bob.stream('answer', handle.id).state$.subscribe((text) => texts.push(text));
    await cluster.crash('relay');
    const before = cluster.clock.now();
    await cluster.settle();
    expect(cluster.clock.now() - before).toBeGreaterThanOrEqual(60_000);
    expect(handle.status).toBe('succeeded');
    expect(await handle).toBe('done');
    expect(bob.table('answers').get(handle.id)).toEqual({ text: 'well, at 2', attempt: 2 });
    expect(texts).toEqual(['well, ', '', 'well, ', 'well, at 2']);
  });

  it('[SM10] has a clock of its own', async () => {
    const cluster = await open();
    const start = cluster.clock.now();
    await cluster.clock.advance(3_600_000);
    expect(cluster.clock.now() - start).toBe(3_600_000);
  });
});
