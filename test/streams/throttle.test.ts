import { createStreamThrottle } from 'cotable/relay';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { piecesOf, scene } from './scene.ts';

describe('a stream throttle', () => {
  it('[TH1 C29 C30 C32 CX7] emits the first piece at once and then fewer: of 1,000 pieces of five characters 125 are left', () => {
    const throttle = createStreamThrottle({ flushEveryMs: false });
    const emitted: string[] = [];
    const emit = ({ chunk }: { readonly chunk: string }): void => void emitted.push(chunk);
    throttle.push('12345', emit);
    expect(emitted).toEqual(['12345']);
    for (let n = 1; n < 1_000; n++) throttle.push('12345', emit);
    throttle.flush(emit);
    expect(emitted.join('')).toBe('12345'.repeat(1_000));
    expect(emitted.length).toBeLessThanOrEqual(125);
    expect(emitted.length).toBeGreaterThan(100);
    // Nothing waits any more.
    throttle.flush(emit);
    expect(emitted.length).toBeLessThanOrEqual(125);
  });

  it('[TH2 C29 C31] emits what waits when its time has come, after a rest at once again, and with no timer waits for the next piece', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const throttle = createStreamThrottle({ field: false });
    const emitted: string[] = [];
    const emit = (piece: string): void => void emitted.push(piece);
    for (const piece of ['a', 'b', 'c']) throttle.push(piece, emit);
    expect(emitted).toEqual(['a']);
    vi.advanceTimersByTime(49);
    expect(emitted).toEqual(['a']);
    vi.advanceTimersByTime(1);
    expect(emitted).toEqual(['a', 'bc']);
    throttle.push('d', emit);
    vi.advanceTimersByTime(50);
    expect(emitted).toEqual(['a', 'bc', 'd']);
    vi.advanceTimersByTime(50);
    throttle.push('e', emit);
    expect(emitted).toEqual(['a', 'bc', 'd', 'e']);

    const untimed = createStreamThrottle({ field: false, flushEveryMs: false, flushAtChars: 2 });
    for (const piece of ['1', '2', '3']) untimed.push(piece, emit);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(10_000);
    expect(emitted.slice(4)).toEqual(['1']);
    untimed.push('4', emit);
    expect(emitted.slice(4)).toEqual(['1']);
    // The first one left ahead of its time: what follows makes up for it.
    for (const piece of ['5', '6', '7', '8']) untimed.push(piece, emit);
    expect(emitted.slice(4)).toEqual(['1', '23456']);
    untimed.push('9', emit);
    expect(emitted.slice(4)).toEqual(['1', '23456', '789']);
  });

  it('[TH3] loses nothing, adds nothing and cuts no surrogate pair, however the text is cut', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.array(fc.integer({ min: 1, max: 5 })),
        fc.integer({ min: 1, max: 8 }),
        (text, cuts, flushAtChars) => {
          const throttle = createStreamThrottle({ flushEveryMs: false, flushAtChars, field: 'text' });
          const emitted: string[] = [];
          const emit = (piece: { readonly text: string }): void => void emitted.push(piece.text);
          let at = 0;
          for (const cut of cuts) {
            throttle.push(text.slice(at, at + cut), emit);
            at += cut;
          }
          throttle.push(text.slice(at), emit);
          throttle.flush(emit);
          expect(emitted.join('')).toBe(text);
          for (const piece of emitted) expect(/\p{Surrogate}/u.test(piece)).toBe(false);
        },
      ),
    );
  });

  it('[TH4 CX4] drops what waits with reset, and throws what emitting threw in a timer', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const throttle = createStreamThrottle({ field: false });
    const emitted: string[] = [];
    const emit = (piece: string): void => void emitted.push(piece);
    throttle.push('a', emit);
    throttle.push('b', emit);
    throttle.reset();
    throttle.flush(emit);
    vi.advanceTimersByTime(100);
    throttle.push('c', emit);
    expect(emitted).toEqual(['a', 'c']);
    const fail = (): void => {
      throw new Error('it is over');
    };
    throttle.push('d', fail);
    vi.advanceTimersByTime(50);
    expect(() => throttle.push('e', emit)).toThrow('it is over');
    throttle.push('f', emit);
    throttle.flush(emit);
    expect(emitted.at(-1)).toBe('f');
  });

  it('[TH5 C30] works with all three emitters, handed over or bound to its targets', async () => {
    const all = scene({
      async work(ctx) {
        const { stream, broadcastStream } = ctx;
        const toBen = (piece: { readonly step: string }): void => ctx.streamTo(['ben'], piece);
        for (const emit of [stream, broadcastStream, toBen]) {
          const throttle = createStreamThrottle({ field: 'step' });
          for (const word of ['one', ' two', ' three']) throttle.push(word, emit);
          throttle.flush(emit);
        }
        return {};
      },
    });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await Promise.all([ann.synced, ben.synced]);
    const { id } = ann.action.work({ id: 'a' });
    const views = [ann.stream('work', id), ben.stream('work', id)];
    const [mine, hers] = await Promise.all(views.map(async (view) => (await piecesOf(view)).map(({ step }) => step)));
    expect(mine).toEqual(['one', ' two three', 'one', ' two three']);
    expect(hers).toEqual(['one', ' two three', 'one', ' two three']);
  });
});
