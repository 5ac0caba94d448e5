import { defineAccess, defineMutators, defineSchema, table } from 'cotable';
import { defineBackendConfig } from 'cotable/relay';
import { createTestCluster } from 'cotable/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

const row = z.object({ id: z.string(), by: z.string(), isLocked: z.boolean() });
const schema = defineSchema({
  schemaVersion: 1,
  tables: { rows: { schema: table(row) } },
  mutators: { put: { input: row } },
  actions: { greet: { input: z.object({}), output: z.string() } },
});
const backend = defineBackendConfig({
  schema,
  mutators: defineMutators<typeof schema>({ put: (ctx, input) => ctx.table('rows').set(input.id, input) }),
  access: defineAccess<typeof schema>({ tables: { rows: { update: (_, { before }) => !before.isLocked } } }),
  actions: { greet: async () => 'hello' },
});

describe('a request of one of several tabs', () => {
  it('[RC20] that waits for what another one has to send goes when that was refused', async () => {
    const cluster = await createTestCluster({ backend });
    onTestFinished(() => cluster.close());
    const [one, other, bob] = [
      await cluster.store({ userId: 'ann', device: 'laptop' }),
      await cluster.store({ userId: 'ann', device: 'laptop' }),
      await cluster.store({ userId: 'bob' }),
    ];
    await bob.mutate.put({ id: 'a', by: 'bob', isLocked: false });
    await cluster.settle();
    cluster.network.hold('laptop');
    await bob.mutate.put({ id: 'a', by: 'bob', isLocked: true });
    await cluster.clock.advance(1_000);
    await one.mutate.put({ id: 'a', by: 'ann', isLocked: false });
    await cluster.clock.advance(100);
    const handle = other.action.greet({});
    await cluster.clock.advance(100);
    cluster.network.release('laptop');
    await cluster.settle();
    expect(one.rejections).toMatchObject([{ name: 'put', error: { code: 'access.denied' } }]);
    expect(handle.status).toBe('succeeded');
  });
});
