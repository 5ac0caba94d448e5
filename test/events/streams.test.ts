import { createSyncClient } from 'cotable/client';
import { createStreamThrottle, defineEvents } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { scene, schema } from './scene.ts';

const input = z.object({ to: z.array(z.string()).default([]) });
const stream = { kind: 'items', of: z.object({ chunk: z.string() }) } as const;

describe('what an event says while it is at work', () => {
  it('[EV20 C20 C23 C24 C25 C33] goes to who asked, to the room, or to the users and sessions that are named', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            stream,
            server: async ({ clientInput, stream: say, broadcastStream, streamTo }) => {
              say({ chunk: 'asker' });
              broadcastStream({ chunk: 'room' });
              streamTo(clientInput.to, { chunk: 'named' });
              expect(() => say({ chunk: 7 } as never)).toThrow(expect.objectContaining({ code: 'stream.invalidPiece' }));
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const [ann, ben, benToo, dan, danToo] = [
      await enter('ann'),
      await enter('ben'),
      await enter('ben'),
      await enter('dan'),
      await enter('dan'),
    ];
    const eve = await enter('ben', { room: 'other' });
    // A user with all devices, and one session of another.
    await ann.ask({ name: 'chat/say', data: { to: ['ben', dan.sessionId] } });
    await Promise.all([ann, ben, benToo, dan, danToo].map((link) => link.until(() => link.events().length === 1)));
    const [asker, room, named] = ['asker', 'room', 'named'].map((chunk) => ({ chunk }));
    expect([ann.pieces(0), ann.pieces()]).toEqual([[asker], [room]]);
    for (const link of [ben, benToo, dan]) expect([link.pieces(0), link.pieces()]).toEqual([[], [room, named]]);
    expect([danToo.pieces(0), danToo.pieces()]).toEqual([[], [room]]);
    expect(eve.heard.map(({ type }) => type)).toEqual(['entered']);
  });

  it('[EV21 C28 C33] comes to every member as a chat answer does: all pieces, then the event', async () => {
    const words = Array.from({ length: 200 }, (_, index) => `word ${index} `);
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/sendMessage': {
          v1: event({
            input,
            stream,
            server: async ({ broadcastStream }) => {
              const throttle = createStreamThrottle({ flushEveryMs: false, flushAtChars: 32 });
              let message = '';
              for (const word of words) {
                message += word;
                throttle.push(word, broadcastStream);
                if (message.length % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
              }
              throttle.flush(broadcastStream);
              return { status: 'success', message };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    await ann.ask({ name: 'chat/sendMessage' });
    await ben.until(() => ben.events().length === 1);
    for (const link of [ann, ben]) {
      const types = link.heard.map(({ type }) => type);
      expect(types.lastIndexOf('piece')).toBeLessThan(types.indexOf('event'));
      const text = (link.pieces() as { chunk: string }[]).map(({ chunk }) => chunk).join('');
      expect(text).toBe(words.join(''));
      expect(link.events()).toMatchObject([{ serverOutput: { message: text } }]);
    }
    const types = ann.heard.map(({ type }) => type);
    expect(types.indexOf('answer')).toBeGreaterThan(types.indexOf('event'));
    expect(ann.pieces().length).toBeLessThan(words.length / 3);
  });

  it('[EV22 CX5] with ignoreSelf no session of who asked gets the event, nor what is said to the room; the answer comes', async () => {
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            stream,
            server: ({ stream: say, broadcastStream }) => {
              say({ chunk: 'asker' });
              broadcastStream({ chunk: 'room' });
              return { status: 'success' };
            },
            recipient: ({ serverOutput }) => ({ status: 'success', serverOutput }),
          }),
        },
      })),
    );
    const [ann, annToo, ben] = [await enter('ann'), await enter('ann'), await enter('ben')];
    expect(await ann.ask({ name: 'chat/say', ignoreSelf: true })).toMatchObject({ status: 'success', recipientCount: 1 });
    await ben.until(() => ben.events().length === 1);
    expect(ben.pieces()).toEqual([{ chunk: 'room' }]);
    expect(ann.pieces(0)).toEqual([{ chunk: 'asker' }]);
    // What comes next says that nothing else was on its way.
    await ann.ask({ name: 'chat/say' });
    await annToo.until(() => annToo.events().length > 0);
    for (const link of [ann, annToo]) {
      expect(link.events()).toHaveLength(1);
      expect(link.pieces()).toEqual([{ chunk: 'room' }]);
    }
  });

  it('[EV23 CX7] is seen from its beginning by who comes in the middle', async () => {
    let go = (): void => undefined;
    const passed = new Promise<void>((resolve) => (go = resolve));
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            stream,
            server: async ({ broadcastStream }) => {
              for (const chunk of ['a', 'b']) broadcastStream({ chunk });
              await passed;
              broadcastStream({ chunk: 'c' });
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const ann = await enter('ann');
    ann.send({ name: 'chat/say' });
    await ann.until(() => ann.pieces().length === 2);
    const late = await enter('late');
    await late.until(() => late.pieces().length === 2);
    // Once it is answered, it listens.
    await late.ask({ name: 'no/such' });
    go();
    await late.until(() => late.events().length === 1);
    expect(late.pieces()).toEqual(['a', 'b', 'c'].map((chunk) => ({ chunk })));
  });

  it('[EV41] of which more is said than a room remembers ends for who was behind: the answer comes, over links and HTTP', async () => {
    const events = defineEvents({ schema }, (event) => ({
      'a/much': {
        v1: event({
          input,
          stream: { kind: 'text' },
          server: ({ stream }) => {
            for (let n = 0; n < 100; n++) stream('x'.repeat(100_000));
            return { status: 'success' };
          },
        }),
      },
    }));
    const { http, url } = await scene(events, { limits: { streamBytes: 64 * 1024 * 1024 } });
    const client = createSyncClient<typeof events>({ link: webSocket(url, { WebSocket }), userId: 'ann' });
    onTestFinished(() => client.close());
    const onStream = (): void => undefined;
    expect(await client.syncRequest({ name: 'a/much', version: 'v1', data: {}, receiver: 'room', onStream })).toMatchObject({
      status: 'success',
    });
    const body = JSON.stringify({ userId: 'ann', data: {}, receiver: 'room' });
    const response = await fetch(`${http}/sync/a/much/v1?stream=true`, { method: 'POST', body });
    expect((await response.text()).trimEnd().split('\n').at(-2)).toBe('event: final');
  });

  it('[EV24] is nothing where the event declares nothing', async () => {
    let problem: unknown;
    const { enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            server: ({ stream: say }) => {
              try {
                (say as (piece: unknown) => void)({ chunk: 'x' });
              } catch (error) {
                problem = error;
              }
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const ann = await enter('ann');
    await ann.ask({ name: 'chat/say' });
    expect(problem).toMatchObject({ code: 'stream.invalidPiece' });
    expect(ann.heard.map(({ type }) => type)).toEqual(['entered', 'taken', 'event', 'answer']);
  });
});
