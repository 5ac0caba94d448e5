import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { TabChannel, TabTransport } from '../../src/ports/tabs.ts';

/** What every tab transport must do: the rules `TT` of the specification. `make` gives two that reach each other, as two tabs have them. */
export function tabTransportSuite(name: string, make: () => readonly [TabTransport, TabTransport]): void {
  describe(`tab transport: ${name}`, () => {
    let transports: readonly [TabTransport, TabTransport];
    let place: string;
    let open: TabChannel[];
    beforeEach(() => {
      transports = make();
      place = `place/${crypto.randomUUID()} ä`;
      open = [];
    });
    afterEach(() => {
      for (const channel of open) channel.close();
    });

    interface Ear extends TabChannel {
      readonly heard: unknown[];
      /** Resolves when so many messages have come. */
      has(count: number): Promise<void>;
    }
    function join(which: 0 | 1, where = place, react?: (message: unknown) => void): Ear {
      const heard: unknown[] = [];
      const channel = transports[which].join(where, (message) => {
        heard.push(message);
        react?.(message);
      });
      open.push(channel);
      return {
        ...channel,
        heard,
        has: (count) => vi.waitFor(() => expect(heard.length).toBeGreaterThanOrEqual(count), { timeout: 5_000 }),
      };
    }

    test('[TT1] a message reaches every other tab of the name, and not who sent it', async () => {
      const [one, two, three] = [join(0), join(1), join(0)];
      one.send({ from: 'one' });
      two.send({ from: 'two' });
      await Promise.all([one.has(1), two.has(1), three.has(2)]);
      expect([one.heard, two.heard]).toEqual([[{ from: 'two' }], [{ from: 'one' }]]);
      expect(three.heard).toHaveLength(2);
    });

    test('[TT2] 2,000 messages arrive in order, both ways at once', async () => {
      const [one, two] = [join(0), join(1)];
      const numbers = Array.from({ length: 2_000 }, (_, index) => index);
      for (const index of numbers) {
        one.send(index);
        two.send(index);
      }
      await Promise.all([one.has(2_000), two.has(2_000)]);
      expect([one.heard, two.heard]).toEqual([numbers, numbers]);
    });

    test('[TT3] names are apart, and one that is the beginning of another too', async () => {
      const [here, longer, elsewhere] = [join(0), join(1, `${place}/alone`), join(1, place.toUpperCase())];
      const sender = join(1);
      longer.send('longer');
      elsewhere.send('elsewhere');
      sender.send('here');
      await here.has(1);
      expect([here.heard, longer.heard, elsewhere.heard]).toEqual([['here'], [], []]);
    });

    test('[TT4] a message is a copy, made within the call', async () => {
      const [one, two, three] = [join(0), join(1), join(1)];
      const message = { bytes: Uint8Array.of(1, 2), map: new Map([['a', [1]]]), nothing: undefined };
      one.send(message);
      message.bytes.fill(9);
      message.map.clear();
      await Promise.all([two.has(1), three.has(1)]);
      const expected = { bytes: Uint8Array.of(1, 2), map: new Map([['a', [1]]]), nothing: undefined };
      expect(two.heard).toStrictEqual([expected]);
      (two.heard[0] as typeof message).bytes.fill(7);
      expect(three.heard).toStrictEqual([expected]);
    });

    test('[TT5] nothing is heard while join or send runs, and nothing that was sent before', async () => {
      let isBusy = false;
      const early: unknown[] = [];
      const note = (message: unknown): void => void (isBusy && early.push(message));
      const one = join(0, place, note);
      one.send('before');
      isBusy = true;
      const two = join(1, place, (message) => {
        note(message);
        isBusy = true;
        two.send('back');
        isBusy = false;
      });
      one.send('after');
      isBusy = false;
      await Promise.all([one.has(1), two.has(1)]);
      expect([early, one.heard]).toEqual([[], ['back']]);
      expect(two.heard).toContain('after');
    });

    test('[TT6] who has left hears nothing more and says nothing; closing twice does nothing', async () => {
      const [one, two, three] = [join(0), join(1), join(1)];
      two.send('last words');
      one.send('late');
      two.close();
      two.close();
      expect(() => two.send('unheard')).not.toThrow();
      one.send('end');
      await Promise.all([one.has(1), three.has(3)]);
      expect([one.heard, two.heard]).toEqual([['last words'], []]);
      expect(three.heard).toEqual(expect.arrayContaining(['last words', 'late', 'end']));
    });
  });
}
