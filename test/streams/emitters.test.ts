import { isCotableError } from 'cotable';
import { describe, expect, it } from 'vitest';
import { gate, scene } from './scene.ts';

/** The code that a call throws, and its params. */
function thrown(call: () => void): unknown {
  try {
    call();
  } catch (error) {
    return isCotableError(error) ? [error.code, error.params] : error;
  }
  return undefined;
}

describe('what an action says', () => {
  it('[SR12] fits the schema, or is refused where it is said, with the path', async () => {
    const found: Record<string, unknown> = {};
    const all = scene({
      async talk(ctx) {
        found['number'] = thrown(() => ctx.broadcastStream(1 as never));
        return {};
      },
      async work(ctx) {
        found['field'] = thrown(() => ctx.stream({ step: 1 } as never));
        found['json'] = thrown(() => ctx.streamTo(['ann'], { step: 'a', at: Number.POSITIVE_INFINITY }));
        ctx.broadcastStream({ step: 'well' });
        return {};
      },
      async mute(ctx) {
        found['mute'] = thrown(() => (ctx.broadcastStream as (piece: unknown) => void)('x'));
        return {};
      },
    });
    const ann = all.open('ann');
    await ann.synced;
    const work = ann.action.work({ id: 'b' });
    const view = ann.stream('work', work.id);
    await Promise.all([ann.action.talk({ id: 'a' }), work, ann.action.mute({ id: 'c' })]);
    const issue = (path: readonly string[]): unknown => expect.objectContaining({ path });
    expect(found).toMatchObject({
      number: ['stream.invalidPiece', { name: 'talk', issues: [issue([])] }],
      field: ['stream.invalidPiece', { name: 'work', issues: [issue(['step'])] }],
      json: [expect.stringMatching(/stream\.invalidPiece|value\.notJson/), {}],
      mute: ['stream.invalidPiece', { name: 'mute', issues: [{ message: 'the action declares no stream', path: [] }] }],
    });
    await view.ended;
    expect(view.state).toEqual([{ step: 'well', at: 0 }]);
  });

  it('[SR13] is stream.tooLarge beyond limits.streamBytes: the piece is not said, and what was said stands', async () => {
    const found: unknown[] = [];
    const all = scene(
      {
        async talk(ctx) {
          ctx.broadcastStream('ä'.repeat(40));
          found.push(thrown(() => ctx.broadcastStream('ä'.repeat(11))));
          ctx.broadcastStream('!');
          return {};
        },
        async meter(ctx) {
          for (let percent = 0; percent < 1_000; percent++) ctx.broadcastStream({ percent });
          return {};
        },
        async work(ctx) {
          ctx.broadcastStream({ step: 'x'.repeat(200) });
          return {};
        },
      },
      { limits: { streamBytes: 100 } },
    );
    const ann = all.open('ann');
    await ann.synced;
    await ann.action.talk({ id: 'a' });
    // 80 bytes are said, 22 more are too many.
    expect(found).toEqual([['stream.tooLarge', { name: 'talk', bytes: 102, limit: 100 }]]);
    expect(ann.table('rows').get('a')?.text).toBe(`${'ä'.repeat(40)}! (succeeded)`);
    // Of a value each one counts by itself.
    await ann.action.meter({ id: 'b' });
    await expect(ann.action.work({ id: 'c' }).result).rejects.toMatchObject({ code: 'stream.tooLarge', httpStatus: 413 });
  });

  it('[SR14] stays what it is after a crash, but for about a quarter of a second, until the next attempt begins, which is told', async () => {
    const [first, begun, finish] = [gate(), gate(), gate()];
    const previous: unknown[] = [];
    const all = scene(
      {
        async talk(ctx) {
          previous.push(ctx.previous);
          if (ctx.attempt === 1) {
            ctx.broadcastStream('said ');
            ctx.streamTo(['ben'], 'and done');
            first.open();
            await new Promise(() => undefined);
          }
          begun.open();
          await finish.passed;
          ctx.broadcastStream(`${ctx.previous?.state}, again`);
          return {};
        },
      },
      { cell: true },
    );
    const ben = all.open('ben');
    await ben.synced;
    await ben.mutate.go({ id: 'a' });
    await first.passed;
    await expect.poll(() => ben.table('rows').get('a')?.text).toBe('said and done');
    const view = ben.stream('talk', ben.table('rows').get('a')?.run ?? '');
    const reading = view[Symbol.asyncIterator]();
    expect((await reading.next()).value).toBe('said and done');
    await all.restart();
    await begun.passed;
    expect(previous).toEqual([undefined, { attempt: 1, state: 'said and done' }]);
    await expect(reading.next()).rejects.toMatchObject({ code: 'stream.reset' });
    await expect.poll(() => view.state).toBe('');
    finish.open();
    await view.ended;
    expect(ben.table('rows').get('a')?.text).toBe('said and done, again (succeeded)');
  });

  it('[SR23] is what a run that is never tried again ends with after a crash', async () => {
    const said = gate();
    const all = scene(
      {
        async talk(ctx) {
          ctx.broadcastStream('as far ');
          ctx.stream('as it came');
          said.open();
          await new Promise(() => undefined);
          return {};
        },
      },
      { isAtMostOnce: true },
    );
    const ann = all.open('ann');
    await ann.synced;
    await ann.mutate.go({ id: 'a' });
    await said.passed;
    const view = ann.stream('talk', ann.table('rows').get('a')?.run ?? '');
    await expect.poll(() => view.state).toBe('as far as it came');
    await all.restart();
    await expect.poll(() => ann.table('rows').get('a')?.text).toBe('as far as it came (failed)');
    await view.ended;
    expect(view.state).toBe('as far as it came');
  });
});
