import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { defineEvents } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { gate } from '../runs/scene.ts';
import { frame, hello, rawLink, type RawLink } from '../wire/raw-link.ts';
import { scene, schema } from './scene.ts';

const input = z.object({ text: z.string().default('') });

async function storeLink(url: string, userId: string, replica: number): Promise<RawLink> {
  const link = await rawLink(url);
  link.send(hello({ userId, replica, writer: 2 ** 31 + replica }));
  await expect.poll(() => link.bodies(16).length).toBe(1);
  return link;
}

const texts = (type: number, ...all: readonly string[]): Uint8Array =>
  frame(type, (out) => all.forEach((text) => encoding.writeVarString(out, text)));
const sync = (request: string, name: string): Uint8Array =>
  frame(50, (out) => {
    for (const text of [request, name, 'v1', '{}', '']) encoding.writeVarString(out, text);
    encoding.writeUint8(out, 0);
  });
const listen = frame(49, (out) => encoding.writeUint8(out, 1));

describe('a link of a store', () => {
  it('[EV33] listens and asks like one without tables', async () => {
    const { url, enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': { v1: event({ input, server: ({ user }) => ({ status: 'success', by: user.userId }) }) },
      })),
    );
    const ann = await storeLink(url, 'ann', 5);
    ann.send(listen);
    const ben = await enter('ben');
    ann.send(sync('k', 'a/b'));
    await expect.poll(() => ann.bodies(54).length).toBe(1);
    const [answer] = ann.bodies(54);
    expect(answer && [decoding.readVarString(answer), JSON.parse(decoding.readVarString(answer))]).toEqual([
      'k',
      { status: 'success', message: 'Done', result: { by: 'ann' }, recipientCount: 2 },
    ]);
    expect(ann.bodies(55)).toHaveLength(1);
    await ben.until(() => ben.events().length === 1);
    ann.socket.close();
    await ann.closed;
    expect(await ben.ask({ name: 'a/b' })).toMatchObject({ recipientCount: 1 });
  });

  it('[EV14] does not call, cancel or hear of the run of an event', async () => {
    const { passed, open } = gate();
    const ran: string[] = [];
    const { url, enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input,
            server: async ({ signal }) => {
              ran.push('begun');
              await passed;
              ran.push(signal.aborted ? 'aborted' : 'done');
              return { status: 'success' };
            },
          }),
        },
      })),
    );
    const store = await storeLink(url, 'ann', 5);
    const ann = await enter('ann');
    ann.send({ name: 'a/b', request: 'k' });
    await expect.poll(() => ran).toEqual(['begun']);
    const taken = ann.heard.find((one) => one.type === 'taken');
    const run = taken?.type === 'taken' ? taken.run : '';
    store.send(texts(11, run), texts(12, run));
    await expect.poll(() => store.bodies(22).length).toBe(2);
    const given = JSON.stringify({ data: {}, ignoreSelf: false });
    store.send(
      frame(4, (out) => {
        for (const text of ['5-9:0', 'sync:a/b/v1', given, '']) encoding.writeVarString(out, text);
        encoding.writeVarUint(out, 0);
      }),
    );
    await expect.poll(() => store.bodies(22).length).toBe(3);
    const codes = store.bodies(22).map((body) => {
      const [, , status] = [decoding.readVarString(body), decoding.readVarString(body), decoding.readVarString(body)];
      decoding.readVarUint(body);
      decoding.readVarUint(body);
      const ending = JSON.parse(decoding.readVarString(body)) as { error?: { code: string } };
      return [status, ending.error?.code];
    });
    expect(codes).toEqual([
      ['failed', 'run.notFound'],
      ['failed', 'run.notFound'],
      ['failed', 'action.unknown'],
    ]);
    open();
    await ann.until((heard) => heard.some(({ type }) => type === 'answer'));
    expect(ran).toEqual(['begun', 'done']);
    const late = await storeLink(url, 'ann', 6);
    late.send(texts(11, run));
    await expect.poll(() => late.bodies(22).length).toBe(1);
    // What was asked is all that was answered.
    expect(store.bodies(22)).toHaveLength(3);
    // A link without tables says nothing of runs.
    ann.say(11, run);
    await ann.until((heard) => heard.some(({ type }) => type === 'failed'));
  });

  it('[EV21 C28] that takes nothing for a while gets the event behind the pieces all the same', async () => {
    const chunk = 'x'.repeat(20_000);
    const { url, enter } = await scene(
      defineEvents({ schema }, (event) => ({
        'a/b': {
          v1: event({
            input,
            stream: { kind: 'text' },
            server: async ({ broadcastStream }) => {
              for (let n = 0; n < 300; n++) {
                broadcastStream(chunk);
                if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
              }
              return { status: 'success' };
            },
          }),
        },
      })),
      { limits: { streamBytes: 8 * 1024 * 1024, ephemeralBytes: 32 * 1024 } },
    );
    const slow = await storeLink(url, 'slow', 5);
    slow.send(listen);
    slow.socket.pause();
    const ann = await enter('ann');
    await ann.ask({ name: 'a/b' });
    slow.socket.resume();
    await expect.poll(() => slow.bodies(55).length, { timeout: 10_000 }).toBe(1);
    const types = slow.messages.flat().filter((type) => [23, 24, 25, 55].includes(type));
    expect(types.at(-1)).toBe(55);
    const length = slow.bodies(24).reduce((sum, body) => {
      decoding.readVarString(body);
      decoding.readVarUint(body);
      return sum + (JSON.parse(decoding.readVarString(body)) as unknown[]).length;
    }, 0);
    expect(length).toBe(300);
  }, 20_000);
});
