import { reject } from 'cotable';
import { defineEvents } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { folder, scene, schema } from './scene.ts';
import { join } from 'node:path';
import { gate } from '../runs/scene.ts';

const anything = z.object({ how: z.string().default('') });

describe('the server handler', () => {
  it('[EV1 C11 C43 C44] runs, reaches everybody who listens in the room, and answers who asked, last', async () => {
    const { enter, relay } = await scene(
      defineEvents({ schema }, (event) => ({
        'examples/updateCounter': {
          v1: event({
            input: z.object({ amount: z.number() }),
            stream: { kind: 'items', of: z.object({ step: z.number() }) },
            server: async ({ clientInput, stream, broadcastStream }) => {
              stream({ step: 0 });
              broadcastStream({ step: 1 });
              return { status: 'success', newValue: clientInput.amount + 1 };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    const [eve, dan] = [await enter('eve', { room: 'other' }), await enter('dan', { isListening: false })];
    const answer = await ann.ask({ name: 'examples/updateCounter', data: { amount: 5 } });
    expect(answer).toEqual({ status: 'success', message: 'Done', result: { newValue: 6 }, recipientCount: 2 });
    expect(ann.heard.map(({ type }) => type)).toEqual(['entered', 'taken', 'stream', 'piece', 'piece', 'streamEnd', 'event', 'answer']);
    await ben.until((heard) => heard.some(({ type }) => type === 'event'));
    expect(ben.events()).toMatchObject([{ serverOutput: { newValue: 6 }, clientOutput: {} }]);
    await relay.drain();
    expect(eve.heard.map(({ type }) => type)).toEqual(['entered']);
    expect(dan.events()).toEqual([]);
  });

  it('[EV4 C8 CX7] runs once for a key, however often it is asked for, and answers the same', async () => {
    let calls = 0;
    const { passed, open } = gate();
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input: anything,
            server: async () => {
              calls += 1;
              await passed;
              return { status: 'success', calls };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    const request = 'the same';
    const asked = [1, 2, 3].map(() => ann.send({ name: 'a/b', request }));
    await ann.until((heard) => heard.filter(({ type }) => type === 'taken').length === asked.length);
    await ann.close();
    const again = await enter('ann');
    again.send({ name: 'a/b', request });
    await again.until((heard) => heard.some(({ type }) => type === 'taken'));
    open();
    await again.until((heard) => heard.some(({ type }) => type === 'answer'));
    expect(await again.ask({ name: 'a/b', request })).toMatchObject({ status: 'success', result: { calls: 1 }, recipientCount: 2 });
    expect(await again.ask({ name: 'a/b', request, data: { how: 'otherwise' } })).toMatchObject({
      errorCode: 'action.idempotencyMismatch',
      // As who asked knows them.
      errorParams: { name: 'a/b', key: request },
      httpStatus: 422,
    });
    // The key is the user's own.
    expect(await ben.ask({ name: 'a/b', request })).toMatchObject({ result: { calls: 2 } });
    expect(calls).toBe(2);
    expect(ben.events()).toHaveLength(2);
  });

  it('[EV5 C8] is never begun again after a crash: who asked hears that it failed', async () => {
    let calls = 0;
    const file = join(await folder(), 'data.db');
    const events = defineEvents({ schema }, (event) => ({
      'a/b': {
        v1: event({
          input: anything,
          server: () => {
            calls += 1;
            return new Promise<{ status: 'success' }>(() => undefined);
          },
        }),
      },
    }));
    const first = await scene(events, { file });
    const ann = await first.enter('ann');
    ann.send({ name: 'a/b', request: 'cut off' });
    await expect.poll(() => calls).toBe(1);
    await first.relay.close({ graceMs: 0 });
    const second = await scene(events, { file });
    const again = await second.enter('ann');
    expect(await again.ask({ name: 'a/b', request: 'cut off' })).toMatchObject({
      status: 'error',
      errorCode: 'sync.serverExecutionFailed',
      errorParams: { name: 'a/b' },
      httpStatus: 500,
    });
    expect(calls).toBe(1);
    expect(again.events()).toEqual([]);
  });

  it('[EV6 C10 C21] has the session of who asked, its functions, and the room with its tables and actions', async () => {
    const seen: unknown[] = [];
    const { enter, relay } = await scene(
      defineEvents({ schema, functions: { twice: (text: string) => text + text } }, (event) => ({
        'a/b': {
          v1: event({
            input: anything,
            server: async ({ clientInput, user, functions, roomCode, mutate, table, enqueueAction, ...rest }) => {
              await mutate('write', { id: 'n', text: functions.twice(clientInput.how) });
              const run = await enqueueAction('later', { id: 'x' });
              seen.push(user, roomCode, await table('notes').get('n'), typeof run, Object.keys(rest).toSorted());
              return { status: 'success' };
            },
          }),
        },
      })),
      { authenticate: ({ token = '' }) => ({ userId: token, role: 'guest' as const }) },
    );
    const ann = await enter('', { token: 'ann' });
    await ann.ask({ name: 'a/b', data: { how: 'ha' } });
    expect(seen).toEqual([
      { userId: 'ann', role: 'guest' },
      'room',
      { text: 'haha', by: 'ann' },
      'string',
      ['broadcastStream', 'signal', 'stream', 'streamTo'],
    ]);
    await relay.drain();
    expect(ann.heard.some(({ type }) => type === 'failed')).toBe(false);
  });

  it('[EV6 C10] has that session also when its request waited through a restart', async () => {
    const seen: unknown[] = [];
    const file = join(await folder(), 'data.db');
    const events = defineEvents({ schema }, (event) => ({
      'a/b': {
        v1: event({
          input: anything,
          server: ({ clientInput, user }) => {
            seen.push([clientInput.how, user]);
            return clientInput.how === 'hangs' ? new Promise<{ status: 'success' }>(() => undefined) : { status: 'success' };
          },
        }),
      },
    }));
    const more = { file, limits: { runsPerUser: 1 }, authenticate: () => ({ userId: 'ann', role: 'guest' as const }) };
    const first = await scene(events, more);
    const ann = await first.enter('');
    ann.send({ name: 'a/b', request: '1', data: { how: 'hangs' } });
    await expect.poll(() => seen.length).toBe(1);
    ann.send({ name: 'a/b', request: '2', data: { how: 'waits' } });
    await ann.until((heard) => heard.filter(({ type }) => type === 'taken').length === 2);
    await first.relay.close({ graceMs: 0 });
    const second = await scene(events, more);
    const again = await second.enter('');
    expect(await again.ask({ name: 'a/b', request: '2', data: { how: 'waits' } })).toMatchObject({ status: 'success' });
    const user = { userId: 'ann', role: 'guest' };
    expect(seen).toEqual([
      ['hangs', user],
      ['waits', user],
    ]);
  });

  it('[EV7 C12 CX2] is not begun for an input that does not fit: the path of each issue goes first', async () => {
    let calls = 0;
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input: z.object({ amount: z.number(), to: z.array(z.object({ id: z.string() })) }),
            server: () => {
              calls += 1;
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const ann = await enter('ann');
    const answer = await ann.ask({ name: 'a/b', data: { amount: '5', to: [{ id: 'x' }, { id: 7 }] } });
    expect(answer).toMatchObject({ status: 'error', errorCode: 'sync.invalidInputType', httpStatus: 400 });
    expect(answer.errorParams?.['message']).toMatch(/^data\.amount: .*; data\.to\.1\.id: /);
    expect(answer.errorParams?.['issues']).toMatchObject([{ path: ['amount'] }, { path: ['to', 1, 'id'] }]);
    expect(await ann.ask({ name: 'a/b', data: 5 })).toMatchObject({ errorParams: { message: expect.stringMatching(/^data: /) } });
    expect(await ann.ask({ name: 'a/b', request: 'x'.repeat(300) })).toMatchObject({ errorCode: 'sync.invalidRequest' });
    expect(calls).toBe(0);
  });

  it('[EV8 C17 C18 C19 CX2] fails with codes that are put into words, of the app and in the language of who asked', async () => {
    const texts: Record<string, Record<string, string>> = { 'de-DE': { 'chat.muted': 'Stumm bis {until}', 'sync.success': 'Fertig' } };
    const { enter, logged } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input: anything,
            server: ({ clientInput: { how } }) => {
              if (how === 'returned')
                return {
                  status: 'error',
                  errorCode: 'chat.muted',
                  errorParams: { until: 9 },
                  httpStatus: 451,
                  errorMessage: 'for the log',
                };
              if (how === 'rejected') return reject('chat.muted', { until: 9 });
              if (how === 'thrown') throw new Error('a secret of the server');
              return how === '' ? { status: 'success' } : (how as unknown as { status: 'success' });
            },
          }),
        },
      })),
      { messages: (code, params, locale) => texts[locale]?.[code]?.replace('{until}', String(params['until'])) ?? '' },
    );
    const ann = await enter('ann');
    const ask = (how: string, locale = ''): Promise<unknown> => ann.ask({ name: 'a/b', data: { how }, locale });
    const muted = { status: 'error', errorCode: 'chat.muted', errorParams: { until: 9 } };
    expect(await ask('returned', 'de-DE')).toEqual({ ...muted, httpStatus: 451, message: 'Stumm bis 9' });
    expect(await ask('rejected', 'de-DE')).toEqual({ ...muted, httpStatus: 400, message: 'Stumm bis 9' });
    expect(await ask('returned')).toEqual({ ...muted, httpStatus: 451, message: 'chat.muted' });
    expect(await ask('', 'de-DE')).toMatchObject({ status: 'success', message: 'Fertig', result: {} });
    const failed = { status: 'error', errorCode: 'sync.serverExecutionFailed', errorParams: { name: 'a/b' }, httpStatus: 500 };
    expect(await ask('thrown')).toEqual({ ...failed, message: 'The event a/b failed' });
    expect(await ask('no answer')).toEqual({ ...failed, message: 'The event a/b failed' });
    expect(logged.filter(({ message }) => message === 'an attempt failed').map(({ fields }) => String(fields['error']))).toEqual([
      expect.stringContaining('chat.muted'),
      expect.stringContaining('a secret of the server'),
      expect.stringContaining('returned no answer'),
    ]);
    expect(logged.find(({ message }) => message === 'an event was refused')?.fields).toMatchObject({ errorMessage: 'for the log' });
    // Nobody gets an event that failed.
    expect(ann.events()).toHaveLength(1);
  });

  it('[EV9 CX7] goes on when who asked is gone, and is told when the request is dropped', async () => {
    const { passed, open } = gate();
    const aborted: unknown[] = [];
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input: anything,
            stream: { kind: 'text' },
            server: async ({ clientInput, signal, stream, broadcastStream }) => {
              broadcastStream(`begun ${clientInput.how}`);
              await Promise.race([passed, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
              aborted.push([clientInput.how, signal.aborted]);
              if (!signal.aborted) stream('for who asked');
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    ann.send({ name: 'a/b', data: { how: 'left' }, request: 'left' });
    await ben.until((heard) => heard.some(({ type }) => type === 'piece'));
    await ann.close();
    const again = await enter('ann');
    again.send({ name: 'a/b', data: { how: 'dropped' }, request: 'dropped' });
    await again.until(() => again.pieces().includes('begun dropped'));
    again.drop('dropped');
    await expect.poll(() => aborted).toEqual([['dropped', true]]);
    await again.until((heard) => heard.some(({ type }) => type === 'answer'));
    expect(again.heard.findLast(({ type }) => type === 'answer')).toMatchObject({
      body: { errorCode: 'request.aborted', httpStatus: 409 },
    });
    // Over a later link, too.
    const ben2 = await enter('ben', { isListening: false });
    ben2.send({ name: 'a/b', data: { how: 'dropped later' }, request: 'dropped later' });
    await again.until(() => again.pieces().includes('begun dropped later'));
    await ben2.close();
    const ben3 = await enter('ben', { isListening: false });
    ben3.drop('dropped later');
    ben3.drop('never asked for');
    await expect.poll(() => aborted.at(-1)).toEqual(['dropped later', true]);
    open();
    // The same request asks for the answer that it was not told.
    expect(await again.ask({ name: 'a/b', data: { how: 'left' }, request: 'left' })).toMatchObject({
      status: 'success',
      recipientCount: 2,
    });
    expect(again.pieces(0)).toEqual(['for who asked']);
    expect(aborted).toEqual([
      ['dropped', true],
      ['dropped later', true],
      ['left', false],
    ]);
    await ben.until(() => ben.events().length === 1);
  });

  it('[EV10 C39 CX6] is for the room: an empty one is a success, unless somebody is required', async () => {
    let calls = 0;
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chess/move': {
          v1: event({
            input: anything,
            server: () => {
              calls += 1;
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const ann = await enter('ann', { room: 'game-room-123', isListening: false });
    const ben = await enter('ben', { room: 'game-room-124' });
    expect(await ann.ask({ name: 'chess/move' })).toMatchObject({ status: 'success', recipientCount: 0 });
    const refused = { status: 'error', errorCode: 'sync.noReceiversFound', errorParams: { receiver: 'game-room-123' }, httpStatus: 404 };
    expect(await ann.ask({ name: 'chess/move', requireReceivers: true })).toMatchObject(refused);
    expect(calls).toBe(1);
    ann.listen();
    expect(await ann.ask({ name: 'chess/move', requireReceivers: true })).toMatchObject({ recipientCount: 1 });
    expect(await ann.ask({ name: 'chess/move', requireReceivers: true, ignoreSelf: true })).toMatchObject(refused);
    ann.listen(false);
    expect(await ann.ask({ name: 'chess/move' })).toMatchObject({ recipientCount: 0 });
    expect(ann.events()).toHaveLength(1);
    expect(ben.heard.map(({ type }) => type)).toEqual(['entered']);
  });
});
