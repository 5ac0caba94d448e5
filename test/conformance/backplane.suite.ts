import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Backplane } from '../../src/ports/backplane.ts';

/** What every backplane must do: the rules `BP` of the specification. `make` gives two ends that reach each other, as two relays have them. */
export function backplaneSuite(name: string, make: () => readonly [Backplane, Backplane]): void {
  describe(`backplane: ${name}`, () => {
    let ends: readonly [Backplane, Backplane];
    let channel: string;
    let stops: (() => void)[];
    beforeEach(() => {
      ends = make();
      channel = `channel/${crypto.randomUUID()} ä`;
      stops = [];
    });
    afterEach(() => {
      for (const stop of stops) stop();
    });

    function hear(which: 0 | 1, where = channel): { readonly heard: Uint8Array[]; stop(): void } {
      const heard: Uint8Array[] = [];
      const stop = ends[which].subscribe(where, (bytes) => void heard.push(bytes));
      stops.push(stop);
      return { heard, stop };
    }
    const has = (heard: readonly Uint8Array[], count: number): Promise<void> =>
      vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(count), { timeout: 5_000 });

    test('[BP1] a message reaches all of its channel, who sent it too, and nobody of another', async () => {
      const [one, two, three] = [hear(0), hear(1), hear(1)];
      const others = [hear(0, `${channel}/more`), hear(1, channel.toUpperCase())];
      ends[0].publish(channel, new Uint8Array([1, 2]));
      ends[1].publish(channel, new Uint8Array([3]));
      await Promise.all([one, two, three].map(({ heard }) => has(heard, 2)));
      for (const { heard } of [one, two, three]) {
        expect(heard.map((bytes) => [...bytes]).toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0))).toEqual([[1, 2], [3]]);
      }
      expect(others.map(({ heard }) => heard)).toEqual([[], []]);
    });

    test('[BP2] what one publishes arrives in order and whole, and is the receiver’s own', async () => {
      const [one, two] = [hear(0), hear(1)];
      for (let n = 0; n < 2_000; n++)
        ends[0].publish(channel, new Uint8Array([n >> 8, n & 255, ...Array.from({ length: n % 50 }, () => n & 255)]));
      await Promise.all([has(one.heard, 2_000), has(two.heard, 2_000)]);
      for (const { heard } of [one, two]) {
        expect(heard.map(([high = 0, low = 0]) => high * 256 + low)).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
        expect(heard.map(({ length }) => length)).toEqual(Array.from({ length: 2_000 }, (_, n) => 2 + (n % 50)));
      }
      one.heard[0]?.fill(9);
      expect(two.heard[0]?.[0]).toBe(0);
    });

    test('[BP3] nothing is heard within publish, nor after the end of a subscription', async () => {
      const [one, two] = [hear(0), hear(1)];
      ends[0].publish(channel, new Uint8Array([1]));
      expect(one.heard).toEqual([]);
      await has(one.heard, 1);
      one.stop();
      one.stop();
      ends[1].publish(channel, new Uint8Array([2]));
      await has(two.heard, 2);
      expect(one.heard).toHaveLength(1);
      ends[0].publish(`${channel}/nobody`, new Uint8Array([3]));
    });
  });
}
