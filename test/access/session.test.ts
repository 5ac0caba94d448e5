import { createStore, defineAccess, defineMutators, defineSchema, table, type ClientStorage, type Store } from 'cotable';
import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { when } from '../spec/support.ts';
import { device } from './scene.ts';

const note = z.object({ id: z.string() });
const schema = defineSchema({
  schemaVersion: 1,
  tables: { notes: { schema: table(note) } },
  mutators: { write: { input: note } },
  session: z.object({ role: z.enum(['member', 'guest']).default('guest') }),
});
const mutators = defineMutators<typeof schema>({ write: (ctx, input) => ctx.table('notes').set(input.id, input) });
const access = defineAccess<typeof schema>({
  tables: { notes: { insert: ({ session, userId }) => session.role === 'member' && session.userId === userId } },
});

/** A token is a user and a role. */
function begin(hasRules = true) {
  const hub = memoryHub();
  const relay = createRelay({
    backend: {
      schema,
      mutators,
      access,
      authenticate: ({ token }) => {
        const [userId = '', role] = (token ?? '').split(' ');
        return { userId, role: role as 'member', secret: 'stays' };
      },
    },
    storage: memoryRelayStorage(),
    acceptors: [hub.acceptor()],
  });
  onTestFinished(() => relay.close());
  const open = (token: string | undefined, storage: ClientStorage, line = 'line'): Store<typeof schema> => {
    const store = createStore({
      schema,
      mutators,
      access: hasRules ? access : undefined,
      room: 'room',
      storage,
      transports: [hub.transport(line)],
      token: () => token ?? new Promise<string>(() => undefined),
    });
    onTestFinished(() => store.close());
    return store;
  };
  return { hub, open };
}

describe('the session in access rules', () => {
  test.each([true, false])('[AU19] is what authenticate said, with the rules on the device: %s', async (hasRules) => {
    const { open } = begin(hasRules);
    const [member, guest] = [open('alice member', device()), open('bob guest', device(), 'bob')];
    await Promise.all([member.synced, guest.synced]);
    await (
      await member.mutate.write({ id: 'a' })
    ).confirmed;
    const refused = (async () => (await guest.mutate.write({ id: 'b' })).confirmed)();
    await expect(refused).rejects.toMatchObject({ code: 'access.denied' });
    expect(guest.rejections).toHaveLength(hasRules ? 0 : 1);
  });

  test('[AU19] is known offline too, after a reload', async () => {
    const { open } = begin();
    for (const [token, outcome] of [
      ['alice member', 'fulfilled'],
      ['bob guest', 'rejected'],
    ] as const) {
      const storage = device();
      const first = open(token, storage, token);
      await first.synced;
      await first.close();
      const again = open(undefined, storage, `${token} again`);
      const [settled] = await Promise.allSettled([again.mutate.write({ id: token })]);
      expect(settled?.status).toBe(outcome);
    }
  });

  test('[AU19] is left to the relay by a device that was told of none', async () => {
    const { open, hub } = begin();
    hub.setAvailable('line', false);
    const guest = open('bob guest', device());
    const { confirmed } = await guest.mutate.write({ id: 'early' });
    expect(guest.table('notes').has('early')).toBe(true);
    hub.setAvailable('line', true);
    await expect(confirmed).rejects.toMatchObject({ code: 'access.denied' });
    await when(guest.status$, ({ state, pending }) => state === 'online' && pending === 0);
    expect([guest.table('notes').count(), guest.rejections.length]).toEqual([0, 1]);
  });
});
