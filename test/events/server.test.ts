import { defineEvents } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scene, schema } from './scene.ts';

describe('a room event', () => {
  it('[EV1 C11] runs its server handler once, reaches everybody who listens in the room, and answers who asked, last', async () => {
    let calls = 0;
    const { enter, relay } = await scene(
      defineEvents({ schema }, (event) => ({
        'examples/updateCounter': {
          v1: event({
            input: z.object({ amount: z.number() }),
            stream: { kind: 'items', of: z.object({ step: z.number() }) },
            server: async ({ clientInput, stream, broadcastStream, roomCode, user }) => {
              calls += 1;
              stream({ step: 0 });
              broadcastStream({ step: 1 });
              return { status: 'success', newValue: clientInput.amount + 1, roomCode, by: user.userId };
            },
          }),
        },
      })),
    );
    const [ann, ben] = [await enter('ann'), await enter('ben')];
    const eve = await enter('eve', { room: 'other' });
    const answer = await ann.ask({ name: 'examples/updateCounter', data: { amount: 5 } });
    expect(answer).toEqual({ status: 'success', message: 'Done', result: { newValue: 6, roomCode: 'room', by: 'ann' }, recipientCount: 2 });
    expect(ann.heard.map(({ type }) => type)).toEqual(['entered', 'taken', 'stream', 'piece', 'piece', 'streamEnd', 'event', 'answer']);
    await ben.until((heard) => heard.some(({ type }) => type === 'event'));
    expect(ben.events()).toMatchObject([{ serverOutput: { newValue: 6, roomCode: 'room', by: 'ann' }, clientOutput: {} }]);
    expect(ben.pieces()).toEqual([{ step: 1 }]);
    expect(ben.pieces(0)).toEqual([]);
    await relay.drain();
    expect(eve.heard.map(({ type }) => type)).toEqual(['entered']);
    expect(calls).toBe(1);
  });
});
