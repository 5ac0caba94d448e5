import { defineEvents, type EventBuilder, type NoFunctions, type NoSchema } from 'cotable/relay';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scene } from './scene.ts';

type Build = EventBuilder<NoSchema, NoFunctions>;
const input = z.object({});
const ok = (event: Build) => event({ input, server: () => ({ status: 'success' }) });

/** As code that no compiler has seen. */
function define(make: (event: Build) => object): unknown {
  return (defineEvents as (options: object, make: (event: Build) => object) => unknown)({}, make);
}

describe('defining events', () => {
  it('[EV2 C5 C6] takes names that begin with a service, as deep as one likes, and no others', async () => {
    const { enter } = await scene(defineEvents({}, (event) => ({ 'test/nestedTest/room': { v1: ok(event) }, 'a/b': { v1: ok(event) } })));
    const ann = await enter('ann');
    expect(await ann.ask({ name: 'test/nestedTest/room' })).toMatchObject({ status: 'success' });
    for (const name of ['updateCounter', '', '/', 'a/', '/a', 'a//b', 'a b/c', 'a/b~c', `a/${'x'.repeat(200)}`]) {
      expect(() => define((event) => ({ [name]: { v1: ok(event) } })), name).toThrow(
        expect.objectContaining({ code: 'routing.invalidServiceRouteName', params: { name: name.slice(0, 120) } }),
      );
      expect(await ann.ask({ name })).toMatchObject({ status: 'error', errorCode: 'routing.invalidServiceRouteName', httpStatus: 400 });
    }
    expect(await ann.ask({ name: 'a/c' })).toMatchObject({
      errorCode: 'sync.notFound',
      errorParams: { name: 'a/c', version: 'v1' },
      httpStatus: 404,
    });
  });

  it('[EV3 C7] takes versions, which live side by side, and an event with either handler', async () => {
    const { enter } = await scene(
      defineEvents({}, (event) => ({
        'a/b': {
          v1: event({ input, server: () => ({ status: 'success', is: 1 }) }),
          v2: event({ input, server: () => ({ status: 'success', is: 2 }) }),
          v3: event({
            input: z.object({ yes: z.boolean() }),
            recipient: ({ clientInput }) => ({ status: 'success', got: clientInput.yes }),
          }),
        },
      })),
    );
    const ann = await enter('ann');
    const answers = [];
    for (const version of ['v1', 'v2', 'v3', 'v4']) answers.push(await ann.ask({ name: 'a/b', version, data: { yes: true } }));
    expect(answers).toMatchObject([
      { result: { is: 1 } },
      { result: { is: 2 } },
      { result: {}, recipientCount: 1 },
      { errorCode: 'sync.notFound' },
    ]);
    expect(ann.events()).toMatchObject([
      { serverOutput: { is: 1 } },
      { serverOutput: { is: 2 } },
      { serverOutput: {}, clientOutput: { got: true } },
    ]);
    for (const version of ['1', 'v', 'v0', 'v01', 'v1.5', 'latest', '']) {
      expect(() => define((event) => ({ 'a/b': { [version]: ok(event) } })), version).toThrow(
        expect.objectContaining({ code: 'sync.invalidVersion', params: { version } }),
      );
      expect(await ann.ask({ name: 'a/b', version })).toMatchObject({ errorCode: 'sync.invalidVersion', httpStatus: 400 });
    }
  });

  it('[EV3 C7] refuses an event without a handler, and parts that are not what they should be', () => {
    const server = (): object => ({ status: 'success' });
    const wrong: [object, string][] = [
      [{ input }, 'server'],
      [{ server }, 'input'],
      [{ input, server: 'x' }, 'server'],
      [{ input, recipient: {} }, 'recipient'],
      [{ input, server, stream: { kind: 'items' } }, 'stream'],
      [{ input, server, recipientStream: { kind: 'other' } }, 'recipientStream'],
      [{ input, server, rateLimit: 0 }, 'rateLimit'],
    ];
    for (const [event, part] of wrong) {
      expect(() => define(() => ({ 'a/b': { v1: event } })), part).toThrow(
        expect.objectContaining({ code: 'schema.invalid', params: expect.objectContaining({ path: `events.a/b.v1.${part}` }) }),
      );
    }
  });
});
