import { memoryBackplane, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, defineEvents, type Backplane, type BackendConfig } from 'cotable/relay';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { gate } from '../runs/scene.ts';
import { enter, type EnterOptions, type EventLink } from './link.ts';
import { schema, scene, type S } from './scene.ts';

const input = z.object({ to: z.array(z.string()).default([]), text: z.string().default('') });

/** Relays of one backplane, each with a storage of its own. */
async function relays(events: BackendConfig<S>['events'], count = 2, backplane: Backplane = memoryBackplane()) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const relay = createRelay<S>({
        backend: {
          schema,
          mutators: { write: () => undefined },
          actions: { later: async () => ({ ok: true }) },
          events,
          rateLimiting: false,
        },
        storage: memoryRelayStorage(),
        backplane,
      });
      onTestFinished(() => relay.close({ graceMs: 0 }));
      const { url } = await relay.listen();
      return { relay, enter: (userId: string, options?: EnterOptions): Promise<EventLink> => enter(url, { userId, ...options }) };
    }),
  );
}

describe('a room on several relays', () => {
  it('[EV30 C22 C40 CX7] is one room: events, and all that is said, reach members on each of them', async () => {
    const ran: string[] = [];
    const [one, two, three] = await relays(
      defineEvents({ schema }, (event) => ({
        'chat/say': {
          v1: event({
            input,
            stream: { kind: 'items', of: z.object({ chunk: z.string() }).transform(({ chunk }) => ({ chunk: `${chunk}!` })) },
            recipientStream: { kind: 'text' },
            server: async ({ clientInput, stream, broadcastStream, streamTo }) => {
              ran.push('server');
              stream({ chunk: 'asker' });
              for (const chunk of ['a', 'b']) broadcastStream({ chunk });
              streamTo(clientInput.to, { chunk: 'named' });
              return { status: 'success', said: clientInput.text };
            },
            recipient: async ({ serverOutput, token, functions, stream, clientInput }) => {
              const session = await functions.session.getSession(token);
              ran.push(`recipient ${session?.userId}`);
              stream(`for ${session?.userId}`);
              return { status: 'success', mine: `${session?.userId}: ${serverOutput.said} ${clientInput.text}` };
            },
          }),
        },
      })),
      3,
    );
    if (!one || !two || !three) throw new Error('there are three');
    const [ann, ben, dan] = [await one.enter('ann'), await two.enter('ben'), await three.enter('dan')];
    const annToo = await two.enter('ann');
    const eve = await two.enter('eve', { room: 'other' });
    expect(await ann.ask({ name: 'chat/say', data: { text: 'hi', to: [dan.sessionId] } })).toEqual({
      status: 'success',
      message: 'Done',
      result: { said: 'hi' },
      recipientCount: 4,
    });
    const all = { ann, annToo, ben, dan };
    await Promise.all(Object.values(all).map((link) => link.until(() => link.events().length === 1)));
    expect(ran.toSorted()).toEqual(['recipient ann', 'recipient ann', 'recipient ben', 'recipient dan', 'server']);
    for (const [name, link] of Object.entries(all)) {
      const user = name.replace('Too', '');
      expect(link.events(), name).toMatchObject([{ serverOutput: { said: 'hi' }, clientOutput: { mine: `${user}: hi hi` } }]);
      const named = name === 'dan' ? [{ chunk: 'named!' }] : [];
      expect(
        link.pieces().filter((piece) => typeof piece === 'object'),
        name,
      ).toEqual([{ chunk: 'a!' }, { chunk: 'b!' }, ...named]);
      expect(
        link.pieces().filter((piece) => typeof piece === 'string'),
        name,
      ).toEqual([`for ${user}`]);
      const types = link.heard.map(({ type }) => type);
      expect(types.lastIndexOf('streamEnd'), name).toBeLessThan(types.indexOf('event'));
    }
    expect(ann.pieces(0)).toEqual([{ chunk: 'asker!' }]);
    expect(eve.heard.map(({ type }) => type)).toEqual(['entered']);
  });

  it('[EV31 CX5 CX6] counts who listens anywhere, but not the sender with ignoreSelf', async () => {
    let calls = 0;
    const [one, two] = await relays(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input,
            server: () => {
              calls += 1;
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    if (!one || !two) throw new Error('there are two');
    const ann = await one.enter('ann', { isListening: false });
    expect(await ann.ask({ name: 'a/b', requireReceivers: true })).toMatchObject({ errorCode: 'sync.noReceiversFound' });
    const [annToo, ben] = [await two.enter('ann'), await two.enter('ben')];
    await ben.ask({ name: 'no/such' });
    expect(await ann.ask({ name: 'a/b', requireReceivers: true })).toMatchObject({ recipientCount: 2 });
    expect(await ann.ask({ name: 'a/b', requireReceivers: true, ignoreSelf: true })).toMatchObject({ recipientCount: 1 });
    await ben.until(() => ben.events().length === 2);
    expect(annToo.events()).toHaveLength(1);
    expect(calls).toBe(2);
    // A relay that is gone is not asked.
    await two.relay.close({ graceMs: 0 });
    const before = performance.now();
    expect(await ann.ask({ name: 'a/b' })).toMatchObject({ recipientCount: 0 });
    expect(performance.now() - before).toBeLessThan(240);
  });

  it('[EV32 C22] ends what a relay had begun when that relay is gone, and an event that failed leaves nowhere', async () => {
    const { passed, open } = gate();
    const [one, two] = await relays(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input,
            stream: { kind: 'text' },
            server: async ({ clientInput, broadcastStream }) => {
              broadcastStream('begun');
              if (clientInput.text === 'fails') return { status: 'error', errorCode: 'a.failed' };
              await passed;
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    if (!one || !two) throw new Error('there are two');
    const [ann, ben] = [await one.enter('ann'), await two.enter('ben')];
    expect(await ann.ask({ name: 'a/b', data: { text: 'fails' } })).toMatchObject({ errorCode: 'a.failed' });
    await ben.until((heard) => heard.some(({ type }) => type === 'streamEnd'));
    expect(ben.pieces()).toEqual(['begun']);
    ann.send({ name: 'a/b' });
    await ben.until(() => ben.pieces().length === 2);
    await one.relay.close({ graceMs: 0 });
    await ben.until((heard) => heard.filter(({ type }) => type === 'streamEnd').length === 2);
    expect(ben.events()).toEqual([]);
    open();
  });

  it('[EV30 C22] is asked for alone where there is no backplane', async () => {
    const { enter: alone } = await scene(
      defineEvents({ schema }, (event) => ({ 'a/b': { v1: event({ input, server: () => ({ status: 'success' }) }) } })),
    );
    const ann = await alone('ann');
    expect(await ann.ask({ name: 'a/b' })).toMatchObject({ recipientCount: 1 });
  });

  it('[EV37 C22] shows a beginning of what another relay says, without a gap, when a message is lost on the way', async () => {
    const said = Array.from({ length: 6 }, (_, index) => `piece ${index}`);
    const reliable = memoryBackplane();
    // The fourth piece is lost.
    const backplane: Backplane = {
      ...reliable,
      publish(channel, bytes) {
        if (!new TextDecoder().decode(bytes).includes('piece 3')) reliable.publish(channel, bytes);
      },
    };
    const [one, two] = await relays(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input,
            stream: { kind: 'text' },
            server: ({ broadcastStream }) => {
              for (const piece of said) broadcastStream(piece);
              return { status: 'success' };
            },
          }),
        },
      })),
      2,
      backplane,
    );
    if (!one || !two) throw new Error('there are two');
    const [ann, ben] = [await one.enter('ann'), await two.enter('ben')];
    await ben.ask({ name: 'no/such' });
    expect(await ann.ask({ name: 'a/b' })).toMatchObject({ recipientCount: 2 });
    await ben.until(() => ben.events().length === 1);
    expect(ann.pieces()).toEqual(said);
    expect(ben.pieces()).toEqual(said.slice(0, 3));
  });
});
