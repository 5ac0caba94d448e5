import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { answers, gate, scene, type Scene } from './scene.ts';

const TEXT = 'All of it, piece by piece: 👩‍🚀 included.';

/** An answer that says `TEXT` in pieces of three code units, each when it is let. */
function talking(): Scene & { readonly say: (pieces: number) => Promise<void>; readonly finish: () => void } {
  const turns: (() => void)[] = [];
  let asked = 0;
  const next = (): Promise<void> => new Promise((resolve) => turns.push(resolve));
  const end = gate();
  const all = scene({
    answer: {
      cell: ({ id }) => ({ table: 'messages', key: id, field: 'text' }),
      async run(ctx) {
        for (let at = 0; at < TEXT.length; at += 3) {
          await next();
          ctx.broadcastStream(TEXT.slice(at, at + 3));
        }
        await end.passed;
        return { text: TEXT };
      },
      onSettled: (ctx, run) =>
        ctx.table('messages').update(run.input.id, { text: run.output?.text ?? `${run.text} (stopped)`, done: true }),
    },
  });
  return {
    ...all,
    async say(pieces) {
      for (asked += pieces; pieces > 0; pieces--) {
        await expect.poll(() => turns.length).toBeGreaterThan(0);
        turns.shift()?.();
      }
    },
    finish: end.open,
  };
}

/** Real turns of the event loop, while timers stand still. */
async function turns(count = 50): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a stream that is bound to a cell', () => {
  it('[SR1 A24] shows in the rows of everyone while it is open, and is nowhere else', async () => {
    const all = talking();
    const storage = memoryClientStorage({ durable: true });
    const [ann, ben] = [all.open('ann', storage), all.open('ben')];
    await ben.synced;
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    await all.say(5);
    for (const store of [ann, ben]) await expect.poll(() => answers(store)).toEqual([{ text: TEXT.slice(0, 15), done: false }]);
    const database = await storage.open('ann/room');
    expect(JSON.stringify(await database.range([]))).not.toContain(TEXT.slice(0, 12));
    // What a mutator reads is the row itself, or it would write down what nobody has decided yet.
    await (
      await ann.mutate.quote({ id: 'here' })
    ).confirmed;
    await all.relay.mutate('room', 'quote', { id: 'there' });
    await expect
      .poll(() => ann.table('log').entries())
      .toEqual([
        ['here', { what: '' }],
        ['there', { what: '' }],
      ]);
    expect(answers(ann)).toEqual([{ text: TEXT.slice(0, 15), done: false }]);
  });

  it('[SR2] is a prefix of what was said at every moment, cut at no surrogate pair, and gives way to the row without a flicker', async () => {
    const all = talking();
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await ben.synced;
    const seen: { readonly text: string; readonly done: boolean }[] = [];
    ben.table('messages').rows$.subscribe(() => seen.push(...answers(ben)));
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    for (let piece = 1; piece <= Math.ceil(TEXT.length / 3); piece++) {
      await all.say(1);
      // Of a pair that was cut, the second half comes with the next piece.
      await expect.poll(() => answers(ben)[0]?.text.length).toBeGreaterThanOrEqual(Math.min(TEXT.length, piece * 3) - 1);
    }
    all.finish();
    await expect.poll(() => answers(ben)).toEqual([{ text: TEXT, done: true }]);
    let length = 0;
    for (const { text, done } of seen) {
      expect(TEXT.startsWith(text)).toBe(true);
      expect(text.length).toBeGreaterThanOrEqual(length);
      expect(/\p{Surrogate}/u.test(text)).toBe(false);
      if (done) expect(text).toBe(TEXT);
      length = text.length;
    }
    expect(seen.length).toBeGreaterThan(5);
  });

  it('[SR3] is seen from its beginning by who comes late, and goes on for who was away', async () => {
    const all = talking();
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await ben.synced;
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    await all.say(4);
    await expect.poll(() => answers(ben)).toEqual([{ text: TEXT.slice(0, 12), done: false }]);
    all.hub.setAvailable('ben', false);
    await all.say(2);
    const cyd = all.open('cyd');
    await expect.poll(() => answers(cyd)).toEqual([{ text: TEXT.slice(0, 18), done: false }]);
    expect(answers(ben)).toEqual([{ text: TEXT.slice(0, 12), done: false }]);
    all.hub.setAvailable('ben', true);
    await expect.poll(() => answers(ben)).toEqual([{ text: TEXT.slice(0, 18), done: false }]);
    all.hub.setAvailable('ben', false);
    await all.say(Math.ceil(TEXT.length / 3) - 6);
    all.finish();
    await expect.poll(() => answers(cyd)).toEqual([{ text: TEXT, done: true }]);
    all.hub.setAvailable('ben', true);
    await expect.poll(() => answers(ben)).toEqual([{ text: TEXT, done: true }]);
  });

  it('[SR4] begins again when its run does, and the row ends whole', async () => {
    const all = talking();
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await ben.synced;
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    await all.say(4);
    await expect.poll(() => answers(ben)).toEqual([{ text: TEXT.slice(0, 12), done: false }]);
    await all.restart();
    for (const name of ['ann', 'ben']) {
      all.hub.setAvailable(name, false);
      all.hub.setAvailable(name, true);
    }
    await expect.poll(() => answers(ben)).toEqual([{ text: '', done: false }]);
    // The first turn that is let belongs to the attempt that is over.
    await all.say(1 + Math.ceil(TEXT.length / 3));
    all.finish();
    for (const store of [ann, ben]) await expect.poll(() => answers(store)).toEqual([{ text: TEXT, done: true }]);
  });

  it('[SR5] shows a first piece at once, those that follow shortly after together, and the last ones with the end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const words: string[][] = [['one'], [' two', ' three'], [' four']];
    const steps = words.map(gate);
    const all = scene({
      answer: {
        cell: ({ id }) => ({ table: 'messages', key: id, field: 'text' }),
        async run(ctx) {
          for (const [index, step] of steps.entries()) {
            await step.passed;
            for (const word of words[index] ?? []) {
              ctx.broadcastStream(word);
              await turns(5);
            }
          }
          return { text: '' };
        },
        onSettled: (ctx, { input, text }) => ctx.table('messages').update(input.id, { text, done: true }),
      },
    });
    const ann = all.open('ann');
    await ann.synced;
    await ann.mutate.say({ id: 'q', text: '@bot hello' });
    const shown = (): readonly string[] => answers(ann).map(({ text }) => text);
    const [first, second, last] = steps;
    first?.open();
    await turns();
    expect(shown()).toEqual(['one']);
    second?.open();
    await turns();
    expect(shown()).toEqual(['one']);
    vi.advanceTimersByTime(50);
    await turns();
    expect(shown()).toEqual(['one two three']);
    last?.open();
    await turns();
    // The time of the next sending has not come, and the row is whole.
    expect(answers(ann)).toEqual([{ text: 'one two three four', done: true }]);
  });
});
