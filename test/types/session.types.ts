import { defineSchema, type NoSession, type SessionOf } from 'cotable';
import { defineBackendConfig, type ActionContext, type Handshake, type Identity } from 'cotable/relay';
import { z } from 'zod';
import type { Equal, Expect } from './expect.ts';
import { bare } from './fixture.ts';

const schema = defineSchema({
  schemaVersion: 1,
  tables: {},
  mutators: {},
  session: z.object({ role: z.enum(['member', 'guest']), teams: z.array(z.string()).default([]) }),
});
type S = typeof schema;

export type Checks = [
  // What the validator gives, and who it is.
  Expect<Equal<SessionOf<S>['role'], 'member' | 'guest'>>,
  Expect<Equal<SessionOf<S>['teams'], string[]>>,
  Expect<Equal<keyof SessionOf<S>, 'userId' | 'role' | 'teams'>>,
  Expect<Equal<keyof SessionOf<typeof bare>, 'userId'>>,
  Expect<Equal<Identity<S>['expiresAt'], number | undefined>>,
  Expect<Equal<Handshake['token'], string | undefined>>,
  Expect<Equal<keyof NoSession, never>>,
  // What actions see of who asked.
  Expect<Equal<ActionContext<S>['session'], SessionOf<S>>>,
  Expect<Equal<keyof ActionContext<typeof bare>['session'], 'userId'>>,
];

export const backends = [
  defineBackendConfig<S>({
    schema,
    mutators: {},
    authenticate: async ({ token, headers, ip }) =>
      (token ?? headers['cookie'] ?? ip) ? { userId: 'alice', role: 'guest', teams: [] } : null,
    authorize: ({ userId, role }, room) => (role === 'member' && userId === room ? 'write' : 'none'),
  }),
  // @ts-expect-error the session says no role
  defineBackendConfig<S>({ schema, mutators: {}, authenticate: () => ({ userId: 'alice' }) }),
  // @ts-expect-error nobody is at the other end
  defineBackendConfig<S>({ schema, mutators: {}, authenticate: () => ({ role: 'guest', teams: [] }) }),
  // @ts-expect-error that is no answer
  defineBackendConfig<S>({ schema, mutators: {}, authorize: () => 'admin' }),
  // @ts-expect-error there is nothing of that name in the session
  defineBackendConfig<S>({ schema, mutators: {}, authorize: ({ isAdmin }) => (isAdmin ? 'write' : 'none') }),
];
