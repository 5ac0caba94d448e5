import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEvents } from '../../demo/server/bot/events.ts';

async function* cut(text: string, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  for (const [index, place] of places.entries()) yield bytes.slice(places[index - 1] ?? 0, place);
}

describe('the events of a model', () => {
  it('[DM22] are read alike however their bytes are cut, with any line ends', async () => {
    const events = [
      ': a comment',
      'data: one',
      '',
      'event: x',
      'id: 1',
      'data:two 💙',
      'data:  three',
      '',
      '',
      'data',
      '',
      'data: cut off',
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat()), async (end, cuts) => {
        const read: string[] = [];
        for await (const data of readEvents(cut(events.join(end), cuts))) read.push(data);
        expect(read).toEqual(['one', 'two 💙\n three', '']);
      }),
    );
  });
});
