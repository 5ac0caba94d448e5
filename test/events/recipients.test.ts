import { reject } from 'cotable';
import { defineEvents } from 'cotable/relay';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { scene, schema } from './scene.ts';

const input = z.object({ text: z.string().default('hello') });

describe('the per-recipient handler', () => {
  it('[EV16 C13 C14 C15] runs once for each session behind the server handler, and gives each what is its own', async () => {
    const seen: { token: string; keys: string[] }[] = [];
    const order: string[] = [];
    const { enter } = await scene(
      defineEvents({ schema, functions: { shout: (text: string) => text.toUpperCase() } }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            server: async ({ clientInput }) => {
              order.push('server');
              return { status: 'success', length: clientInput.text.length };
            },
            recipient: async ({ clientInput, serverOutput, token, functions, roomCode, ...rest }) => {
              order.push('recipient');
              seen.push({ token, keys: Object.keys(rest) });
              const session = await functions.session.getSession(token);
              if (session?.userId === 'dan') return { status: 'error', errorCode: 'chat.notForYou' };
              const text = session?.role === 'member' ? functions.shout(clientInput.text) : '...';
              return { status: 'success', text, of: serverOutput.length, roomCode };
            },
          }),
        },
      })),
      { authenticate: ({ token = '' }) => ({ userId: token, role: token === 'ben' ? ('guest' as const) : ('member' as const) }) },
    );
    const links = [];
    for (const token of ['ann', 'ben', 'dan', 'ann']) links.push(await enter('', { token }));
    const [ann, ben, dan, again] = links as [(typeof links)[0], (typeof links)[0], (typeof links)[0], (typeof links)[0]];
    const answer = await ann.ask({ name: 'chat/say', data: { text: 'hello' } });
    expect(answer).toEqual({ status: 'success', message: 'Done', result: { length: 5 }, recipientCount: 4 });
    await Promise.all([ann, ben, again].map((link) => link.until(() => link.events().length === 1)));
    expect(ann.events()).toMatchObject([{ serverOutput: { length: 5 }, clientOutput: { text: 'HELLO', of: 5, roomCode: 'room' } }]);
    expect(again.events()).toMatchObject([{ clientOutput: { text: 'HELLO' } }]);
    expect(ben.events()).toMatchObject([{ serverOutput: { length: 5 }, clientOutput: { text: '...' } }]);
    expect(dan.events()).toEqual([]);
    expect(order).toEqual(['server', 'recipient', 'recipient', 'recipient', 'recipient']);
    expect(seen.map(({ token }) => token).toSorted()).toEqual(links.map(({ sessionId }) => sessionId).toSorted());
    // Nobody has looked a session up for it: there is no user.
    expect(seen[0]?.keys).toEqual(['stream']);
  });

  it('[EV38 C14] looks a session up as it is now, also after a fresh token', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            recipient: async ({ token, functions }) => ({ status: 'success', role: (await functions.session.getSession(token))?.role }),
          }),
        },
      })),
      {
        authenticate: ({ token = '' }) => {
          const [userId = '', role] = token.split(' ');
          return { userId, role: role === 'member' ? 'member' : 'guest', expiresAt: Date.now() + 60_000 };
        },
      },
    );
    const ann = await enter('', { token: 'ann guest' });
    await ann.ask({ name: 'chat/say' });
    ann.say(10, 'ann member');
    await expect
      .poll(async () => {
        await ann.ask({ name: 'chat/say' });
        return ann.events().at(-1)?.clientOutput;
      })
      .toEqual({ role: 'member' });
    expect(ann.events()[0]?.clientOutput).toEqual({ role: 'guest' });
  });

  it('[EV17 C15 C16 CX2] that fails, or refuses, keeps the event from that session alone, and nobody is told but the log', async () => {
    const { enter, logged } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            recipient: async ({ token, functions }) => {
              const { userId = '' } = (await functions.session.getSession(token)) ?? {};
              if (userId === 'throws') throw new Error('a mistake');
              if (userId === 'rejects') return reject('chat.notForYou');
              if (userId === 'refuses') return { status: 'error', errorCode: 'chat.notForYou' };
              return userId === 'ann' ? { status: 'success' } : (undefined as unknown as { status: 'success' });
            },
          }),
        },
      })),
    );
    const links = [];
    for (const userId of ['throws', 'rejects', 'refuses', 'says nothing', 'ann']) links.push(await enter(userId));
    const ann = links.at(-1);
    expect(await ann?.ask({ name: 'chat/say' })).toEqual({ status: 'success', message: 'Done', result: {}, recipientCount: 5 });
    expect(links.map((link) => link.events().length)).toEqual([0, 0, 0, 0, 1]);
    const told = logged
      .filter(({ message }) => message === 'an event does not reach a recipient')
      .map(({ fields }) => [fields['code'], fields['params']]);
    expect(told.toSorted(([a], [b]) => String(a).localeCompare(String(b)))).toEqual([
      ['sync.clientExecutionFailed', { name: 'chat/say', reason: 'a mistake' }],
      ['sync.clientRejected', { name: 'chat/say', reason: 'chat.notForYou' }],
      ['sync.clientRejected', { name: 'chat/say', reason: 'chat.notForYou' }],
      ['sync.invalidClientResponse', { name: 'chat/say' }],
    ]);
  });

  it('[EV17] that takes longer than 30 seconds has failed: who asked is answered, and the others get the event', async () => {
    let calls = 0;
    const { enter, logged } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            recipient: async ({ token, functions }) => {
              calls += 1;
              const session = await functions.session.getSession(token);
              if (session?.userId === 'ben') await new Promise(() => undefined);
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const answer = ann.ask({ name: 'chat/say' });
    await expect.poll(() => calls).toBe(2);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await answer).toMatchObject({ status: 'success', recipientCount: 2 });
    expect([ann, ben].map((link) => link.events().length)).toEqual([1, 0]);
    expect(logged).toContainEqual(expect.objectContaining({ fields: expect.objectContaining({ code: 'sync.clientExecutionFailed' }) }));
  });

  it('[EV39] returns 128 KiB of JSON at most, as the server handler does', async () => {
    const { enter, logged } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input: z.object({ server: z.number().default(0), recipient: z.number().default(0) }),
            server: ({ clientInput }) => ({ status: 'success', text: 's'.repeat(clientInput.server) }),
            recipient: ({ clientInput }) => ({ status: 'success', text: 'r'.repeat(clientInput.recipient) }),
          }),
        },
      })),
    );
    const ann = await enter('ann');
    const KiB = 1024;
    expect(await ann.ask({ name: 'chat/say', data: { server: 120 * KiB, recipient: 120 * KiB } })).toMatchObject({ status: 'success' });
    expect(ann.events()).toHaveLength(1);
    expect(await ann.ask({ name: 'chat/say', data: { server: 129 * KiB } })).toMatchObject({ errorCode: 'sync.serverExecutionFailed' });
    expect(await ann.ask({ name: 'chat/say', data: { recipient: 129 * KiB } })).toMatchObject({ status: 'success' });
    expect(ann.events()).toHaveLength(1);
    expect(logged).toContainEqual(expect.objectContaining({ fields: expect.objectContaining({ code: 'sync.invalidClientResponse' }) }));
  });

  it('[EV18 C20 C25] says pieces to its one session, in front of the event', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            stream: { kind: 'items', of: z.object({ server: z.number() }) },
            recipientStream: { kind: 'items', of: z.object({ phase: z.string() }) },
            server: ({ broadcastStream }) => {
              broadcastStream({ server: 1 });
              return { status: 'success' };
            },
            recipient: async ({ stream, token, functions }) => {
              const session = await functions.session.getSession(token);
              for (const phase of ['prepare', 'ready']) stream({ phase: `${phase} ${session?.userId}` });
              expect(() => stream({ phase: 7 } as never)).toThrow(expect.objectContaining({ code: 'stream.invalidPiece' }));
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    await ann.ask({ name: 'chat/say' });
    await ben.until(() => ben.events().length === 1);
    for (const [link, name] of [
      [ann, 'ann'],
      [ben, 'ben'],
    ] as const) {
      // What the server handler said came before.
      expect(link.pieces()).toEqual([{ server: 1 }, { phase: `prepare ${name}` }, { phase: `ready ${name}` }]);
      const types = link.heard.map(({ type }) => type);
      expect(types.lastIndexOf('streamEnd')).toBeLessThan(types.indexOf('event'));
      const runs = link.heard.flatMap((one) => (one.type === 'piece' ? [one.run] : []));
      expect(runs.every((run) => run.startsWith('chat/say/v1~'))).toBe(true);
    }
  });

  it('[EV19 C16 CX3] costs nothing where there is none, and lets the process breathe where there are many', async () => {
    let running = 0;
    const turns: number[] = [];
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/with': {
          v1: event({
            input,
            recipient: () => {
              running += 1;
              return { status: 'success', number: running };
            },
          }),
        },
        'a/without': { v1: event({ input, server: () => ({ status: 'success' }) }) },
      })),
    );
    const links = await Promise.all(Array.from({ length: 250 }, (_, index) => enter(`user ${index}`)));
    const [ann] = links;
    const timer = setInterval(() => turns.push(running), 0);
    expect(await ann?.ask({ name: 'a/with' })).toMatchObject({ recipientCount: 250 });
    clearInterval(timer);
    expect(new Set(turns.filter((count) => count > 0 && count < 250)).size).toBeGreaterThan(0);
    await Promise.all(links.map((link) => link.until(() => link.events().length === 1)));
    const outputs = links.map((link) => (link.events()[0]?.clientOutput as { number: number } | undefined)?.number ?? 0);
    expect(outputs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
    expect(await ann?.ask({ name: 'a/without' })).toMatchObject({ recipientCount: 250 });
    await Promise.all(links.map((link) => link.until(() => link.events().length === 2)));
    expect(running).toBe(250);
  }, 20_000);
});
