import { reject } from 'cotable';
import { defineEvents } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scene, schema } from './scene.ts';

const input = z.object({});

describe('who may ask for an event', () => {
  it('[EV11 C9 CX2] is said by the event before anything runs: somebody who is known, of whom each predicate says yes', async () => {
    const ran: string[] = [];
    const { enter } = await scene(
      defineEvents({ schema }, (event) => {
        const server = (name: string) => (): { status: 'success' } => {
          ran.push(name);
          return { status: 'success' };
        };
        return {
          'a/default': { v1: event({ input, server: server('default') }) },
          'a/members': {
            v1: event({
              auth: { login: true, additional: [(session) => session.role === 'member', async () => true] },
              input,
              server: server('members'),
            }),
          },
          'a/open': {
            v1: event({
              auth: { login: false, additional: [(session) => session.role === 'member'] },
              input,
              stream: { kind: 'text' },
              server: ({ user, stream }) => {
                ran.push(`open ${user?.userId ?? 'nobody'}`);
                stream('for you alone');
                return { status: 'success' };
              },
            }),
          },
        };
      }),
      {
        authenticate: ({ token }) => (token ? { userId: token, role: token === 'guest' ? ('guest' as const) : ('member' as const) } : null),
      },
    );
    const [ann, guest, nobody] = [await enter('', { token: 'ann' }), await enter('', { token: 'guest' }), await enter('')];
    const ask = async (name: string): Promise<unknown[]> => {
      const answers = [];
      for (const link of [ann, guest, nobody]) {
        const { status, errorCode, httpStatus } = await link.ask({ name });
        answers.push(errorCode ? [errorCode, httpStatus] : status);
      }
      return answers;
    };
    expect(await ask('a/default')).toEqual(['success', 'success', ['auth.required', 401]]);
    expect(await ask('a/members')).toEqual(['success', ['auth.forbidden', 403], ['auth.required', 401]]);
    expect(await ask('a/open')).toEqual(['success', ['auth.forbidden', 403], 'success']);
    expect(ran).toEqual(['default', 'default', 'members', 'open ann', 'open nobody']);
    // Nobody that is known hears what is said to it, and nothing else of the room.
    expect(nobody.pieces(0)).toEqual(['for you alone']);
    expect(nobody.events()).toEqual([]);
    expect(ann.events()).toHaveLength(4);
    expect(ann.pieces(0)).toEqual(['for you alone']);
  });

  it('[EV40 C9] is not found out where a predicate or a validator throws: who asked is told no more, and the log has it', async () => {
    const broken = (): never => {
      throw new Error('a mistake');
    };
    const { enter, logged } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/predicate': { v1: event({ auth: { additional: [broken] }, input, server: () => ({ status: 'success' }) }) },
        'a/refusal': {
          v1: event({ auth: { additional: [() => reject('chat.closed', { until: 9 })] }, input, server: () => ({ status: 'success' }) }),
        },
        'a/validator': { v1: event({ input: z.object({}).transform(broken), server: () => ({ status: 'success' }) }) },
      })),
    );
    const ann = await enter('ann');
    for (const name of ['a/predicate', 'a/validator']) {
      expect(await ann.ask({ name })).toMatchObject({ errorCode: 'sync.serverExecutionFailed', errorParams: { name }, httpStatus: 500 });
      expect(logged).toContainEqual(expect.objectContaining({ level: 'error', fields: expect.objectContaining({ event: name }) }));
    }
    expect(await ann.ask({ name: 'a/refusal' })).toMatchObject({ errorCode: 'chat.closed', errorParams: { until: 9 } });
  });

  it('[EV12 C9] is said by authorize for the room: writers ask, readers listen', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': { v1: event({ input, server: () => ({ status: 'success' }) }) },
        'a/open': { v1: event({ auth: { login: false }, input, server: () => ({ status: 'success' }) }) },
      })),
      {
        authenticate: ({ token }) => ({ userId: token ?? 'x', role: 'member' as const }),
        authorize: ({ userId }) => (userId === 'ann' ? 'write' : userId === 'ben' ? 'read' : 'none'),
      },
    );
    const [ann, ben] = [await enter('', { token: 'ann' }), await enter('', { token: 'ben' })];
    await expect(enter('', { token: 'eve' })).rejects.toThrow('auth.forbidden');
    for (const name of ['a/b', 'a/open']) {
      expect(await ben.ask({ name })).toMatchObject({ errorCode: 'auth.forbidden', errorParams: { room: 'room' }, httpStatus: 403 });
    }
    expect(await ann.ask({ name: 'a/b' })).toMatchObject({ status: 'success', recipientCount: 2 });
    await ben.until(() => ben.events().length === 1);
  });

  it('[EV13] is known by the token, whatever a link calls itself; without any event for all, nobody enters unknown', async () => {
    const seen: unknown[] = [];
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input: z.object({ userId: z.string() }),
            server: ({ user }) => {
              seen.push(user.userId);
              return { status: 'success' };
            },
          }),
        },
      })),
      { authenticate: ({ token }) => (token === 'bad' || !token ? null : { userId: token, role: 'member' as const }) },
    );
    await expect(enter('')).rejects.toThrow('auth.required');
    await expect(enter('', { token: 'bad' })).rejects.toThrow('auth.expired');
    await expect(enter('ann', { token: 'eve' })).rejects.toThrow('auth.otherUser');
    const eve = await enter('', { token: 'eve' });
    expect(eve.heard[0]).toMatchObject({ type: 'entered', userId: 'eve' });
    await eve.ask({ name: 'a/b', data: { userId: 'ann' } });
    expect(seen).toEqual(['eve']);
  });

  it('[EV15 C38] is limited: for each event and user, and for each address', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': { v1: event({ input, server: () => ({ status: 'success' }) }) },
        'a/rare': { v1: event({ input, rateLimit: 1, server: () => ({ status: 'success' }) }) },
      })),
      { rateLimiting: { defaultApiLimit: 2, defaultIpLimit: 7, windowMs: 60_000 } },
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    const codes: (string | undefined)[] = [];
    const ask = async (link: typeof ann, name: string): Promise<void> => void codes.push((await link.ask({ name })).errorCode);
    for (const name of ['a/b', 'a/b', 'a/b', 'a/rare', 'a/rare']) await ask(ann, name);
    const limited = 'sync.rateLimitExceeded';
    expect(codes).toEqual([undefined, undefined, limited, undefined, limited]);
    for (const name of ['a/b', 'a/b', 'a/rare']) await ask(ben, name);
    expect(codes.slice(5)).toEqual([undefined, undefined, limited]);
    const answer = await ben.ask({ name: 'a/rare' });
    expect(answer).toMatchObject({ errorCode: limited, httpStatus: 429 });
    expect(answer.errorParams?.['seconds']).toBeGreaterThan(50);
    expect(answer.errorParams?.['seconds']).toBeLessThanOrEqual(60);
    expect(answer.message).toBe(`Too many requests: try again in ${String(answer.errorParams?.['seconds'])} s`);
  });

  it('[EV15] is limited anew when the window has passed', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({ 'a/b': { v1: event({ input, server: () => ({ status: 'success' }) }) } })),
      { rateLimiting: { defaultApiLimit: 1, windowMs: 300 } },
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    const codes = [];
    for (const link of [ann, ann, ben]) codes.push((await link.ask({ name: 'a/b' })).errorCode);
    expect(codes).toEqual([undefined, 'sync.rateLimitExceeded', undefined]);
    await expect.poll(async () => (await ann.ask({ name: 'a/b' })).status).toBe('success');
  });

  it('[EV36] is held to its token and to the room for as long as its link is open', async () => {
    let rights: 'write' | 'none' = 'write';
    const { enter, relay } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': { v1: event({ input, server: () => ({ status: 'success' }) }) },
        'a/open': { v1: event({ auth: { login: false }, input, server: () => ({ status: 'success' }) }) },
      })),
      {
        authenticate: ({ token = '' }) => {
          const [userId = '', ms] = token.split(' ');
          return token === '' ? null : { userId, role: 'member' as const, ...(ms && { expiresAt: Date.now() + Number(ms) }) };
        },
        authorize: () => rights,
      },
    );
    const closed = (link: Awaited<ReturnType<typeof enter>>, code: string): Promise<void> =>
      link.until((heard) => heard.some((one) => one.type === 'failed' && one.code === code));
    const late = await enter('', { token: 'ann 400' });
    const fresh = await enter('', { token: 'ann 400' });
    fresh.say(10, 'ann 60000');
    await closed(late, 'auth.expired');
    expect(await fresh.ask({ name: 'a/b' })).toMatchObject({ status: 'success' });
    relay.revoke('ann');
    await closed(fresh, 'auth.revoked');
    const [ben, nobody] = [await enter('', { token: 'ben' }), await enter('')];
    rights = 'none';
    await relay.recheck('room');
    await closed(ben, 'auth.forbidden');
    // Who was nobody does not become somebody: that is for another link.
    expect(await nobody.ask({ name: 'a/open' })).toMatchObject({ status: 'success' });
    nobody.say(10, 'ann 60000');
    await closed(nobody, 'protocol.badFrame');
  });
});
