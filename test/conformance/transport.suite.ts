import { CotableError } from 'cotable';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Acceptor, LinkEvents, Transport } from '../../src/ports/transport.ts';
import { connectRecorded, recordLink, takeLinks, type LinkTaker, type RecordedLink } from './link-recorder.ts';

/** A transport and the acceptor it reaches, made for one test. */
export interface TransportSetup {
  readonly transport: Transport;
  readonly acceptor: Acceptor;
  /** A transport of the same kind to where nobody answers. */
  readonly unreachable: Transport;
  /** Breaks every open link without a word to either side. */
  sever(): void;
  close(): void | Promise<void>;
}

/** What every transport and its acceptor must do: the rules `TR` of the specification. */
export function transportSuite(name: string, make: () => TransportSetup | Promise<TransportSetup>): void {
  describe(`transport: ${name}`, () => {
    let setup: TransportSetup;
    beforeEach(async () => {
      setup = await make();
    });
    afterEach(() => setup.close());

    const connect = (react?: Partial<LinkEvents>): RecordedLink => connectRecorded(setup.transport, react);
    const pair = async (taker: LinkTaker, react?: Partial<LinkEvents>): Promise<{ near: RecordedLink; far: RecordedLink }> => {
      const index = taker.taken.length;
      const near = connect(react);
      const far = await taker.at(index);
      await Promise.all([near.record.isOpened, far.record.isOpened]);
      return { near, far };
    };

    test('[TR1] 10,000 messages arrive in order, both ways at once', async () => {
      const { near, far } = await pair(takeLinks(setup.acceptor));
      for (let index = 0; index < 10_000; index++) {
        near.link.send(numbered(index));
        far.link.send(numbered(index + 20_000));
      }
      await Promise.all([near, far].map(({ record }) => record.until(() => record.messages.length === 10_000)));
      expect(far.record.messages.map(numberOf)).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
      expect(near.record.messages.map(numberOf)).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 20_000));
    });

    test('[TR1] messages of 0 bytes to 500 kB arrive whole', async () => {
      const { near, far } = await pair(takeLinks(setup.acceptor));
      const messages = [0, 1, 125, 126, 65_535, 65_536, 500_000].map((size) =>
        Uint8Array.from({ length: size }, (_, at) => at * 31 + size),
      );
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        for (const message of messages) from.link.send(message);
        await to.record.until(() => to.record.messages.length === messages.length);
        // Compared by hand: a printed difference of half a megabyte helps nobody.
        expect(to.record.messages.map((message, at) => isSame(message, messages[at]))).toEqual(messages.map(() => true));
      }
    });

    test('[TR1] links do not mix', async () => {
      const taker = takeLinks(setup.acceptor, (link) => ({ message: (message) => link.send(message) }));
      const one = await pair(taker);
      const two = await pair(taker);
      for (let index = 0; index < 100; index++) {
        one.near.link.send(numbered(index));
        two.near.link.send(numbered(index + 1000));
      }
      await Promise.all([one, two].map(({ near }) => near.record.until(() => near.record.messages.length === 100)));
      expect(one.near.record.messages.map(numberOf)).toEqual(Array.from({ length: 100 }, (_, index) => index));
      expect(two.near.record.messages.map(numberOf)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1000));
    });

    test('[TR2] what arrives is a copy that belongs to the receiver', async () => {
      const { near, far } = await pair(takeLinks(setup.acceptor));
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        const whole = Uint8Array.of(0, 1, 2, 3, 4, 5);
        from.link.send(whole.subarray(2, 4));
        from.link.send(whole.subarray(4));
        await to.record.until(() => to.record.messages.length === 2);
        const [first, second] = to.record.messages;
        if (!first || !second) throw new Error('both have arrived');
        expect([[...first], [...second]]).toEqual([
          [2, 3],
          [4, 5],
        ]);
        new Uint8Array(first.buffer).fill(9);
        expect([...second]).toEqual([4, 5]);
        expect([...whole]).toEqual([0, 1, 2, 3, 4, 5]);
      }
    });

    test('[TR3] opened comes once and first on both sides, and what is sent from within it arrives', async () => {
      const taker = takeLinks(setup.acceptor, (link) => ({ opened: () => link.send(numbered(1)) }));
      const near: RecordedLink = connect({ opened: () => near.link.send(numbered(2)) });
      const far = await taker.at(0);
      await Promise.all([near, far].map(({ record }) => record.until(() => record.messages.length === 1)));
      expect(near.record.calls).toEqual(['opened', 'message']);
      expect(far.record.calls).toEqual(['opened', 'message']);
      expect([near, far].map(({ record }) => record.messages.map(numberOf))).toEqual([[1], [2]]);
    });

    test('[TR4] nothing is called before connect or accept has returned', async () => {
      const returned = { connect: false, accept: false };
      const early: string[] = [];
      const watch = (side: keyof typeof returned): Partial<LinkEvents> => {
        const note = (): void => {
          if (!returned[side]) early.push(side);
        };
        return { opened: note, message: note, closed: note };
      };
      const far = recordLink(watch('accept'));
      setup.acceptor.start((link) => {
        link.close();
        returned.accept = true;
        return far.events;
      });
      for (const transport of [setup.transport, setup.unreachable]) {
        returned.connect = false;
        const near = connectRecorded(transport, watch('connect'));
        returned.connect = true;
        await near.record.isClosed;
      }
      await far.isClosed;
      expect(early).toEqual([]);
    });

    test('[TR5] a link that accept closes is closed once on both sides, and never opened on that side', async () => {
      const taker = takeLinks(setup.acceptor, (link) => {
        link.close(new CotableError('relay.closed', {}));
        return {};
      });
      const near = connect();
      await near.record.isClosed;
      const far = await taker.at(0);
      await far.record.isClosed;
      expect(far.record.calls).toEqual(['closed']);
      expect(far.record.reasons[0]?.code).toBe('relay.closed');
      expect(near.record.calls.filter((call) => call === 'closed')).toHaveLength(1);
      expect(near.record.reasons[0]?.code).toBe('relay.closed');
    });

    for (const side of ['near', 'far'] as const) {
      const whose = side === 'near' ? 'the store' : 'the relay';

      test(`[TR6] when ${whose} closes, its own closed is called before close returns, with the same reason`, async () => {
        const mine = (await pair(takeLinks(setup.acceptor)))[side];
        const reason = new CotableError('protocol.timeout', { ms: 5 });
        mine.link.close(reason);
        expect(mine.record.calls).toEqual(['opened', 'closed']);
        expect(mine.record.reasons[0]).toBe(reason);
      });

      test(`[TR7] when ${whose} closes with a reason, its code reaches the other side, after a beginning of what was sent before`, async () => {
        const both = await pair(takeLinks(setup.acceptor));
        const other = both[side === 'near' ? 'far' : 'near'];
        for (let index = 0; index < 10; index++) both[side].link.send(numbered(index));
        both[side].link.close(new CotableError('protocol.timeout', { ms: 5 }));
        await other.record.isClosed;
        expect(other.record.reasons[0]).toMatchObject({ name: 'CotableError', code: 'protocol.timeout' });
        expect(other.record.messages.map(numberOf)).toEqual(other.record.messages.map((_, index) => index));
      });

      test(`[TR7] when ${whose} closes without a reason, neither side is told one`, async () => {
        const { near, far } = await pair(takeLinks(setup.acceptor));
        (side === 'near' ? near : far).link.close();
        await Promise.all([near.record.isClosed, far.record.isClosed]);
        expect([near.record.reasons, far.record.reasons]).toEqual([[undefined], [undefined]]);
      });

      test(`[TR8] when ${whose} closes twice, closed is called once on each side, with the first reason`, async () => {
        const both = await pair(takeLinks(setup.acceptor));
        both[side].link.close(new CotableError('auth.required', {}));
        both[side].link.close(new CotableError('relay.closed', {}));
        const other = both[side === 'near' ? 'far' : 'near'];
        await other.record.isClosed;
        other.link.close(new CotableError('store.closed', {}));
        await roundTrip();
        for (const { record } of [both.near, both.far]) {
          expect(record.calls).toEqual(['opened', 'closed']);
          expect(record.reasons[0]?.code).toBe('auth.required');
        }
      });

      test(`[TR9] after ${whose} closed, nothing is called, though messages were on their way`, async () => {
        const { near, far } = await pair(takeLinks(setup.acceptor));
        const [mine, other] = side === 'near' ? [near, far] : [far, near];
        for (let index = 0; index < 100; index++) other.link.send(numbered(index));
        await mine.record.until(() => mine.record.messages.length > 0);
        mine.link.close();
        const told = [...mine.record.calls];
        await other.record.isClosed;
        await roundTrip();
        expect(mine.record.calls).toEqual(told);
        expect(told.at(-1)).toBe('closed');
      });

      test(`[TR10] after ${whose} closed, send and close do nothing on either side`, async () => {
        const { near, far } = await pair(takeLinks(setup.acceptor));
        const [mine, other] = side === 'near' ? [near, far] : [far, near];
        mine.link.close();
        mine.link.send(numbered(1));
        await other.record.isClosed;
        other.link.send(numbered(2));
        await roundTrip();
        for (const { link, record } of [near, far]) {
          expect(record.calls).toEqual(['opened', 'closed']);
          expect(link.buffered).toBe(0);
        }
      });

      test(`[TR11] what ${whose} sends is buffered until it left, and then it is not`, async () => {
        const both = await pair(takeLinks(setup.acceptor));
        const { link } = both[side];
        const other = both[side === 'near' ? 'far' : 'near'].record;
        expect(link.buffered).toBe(0);
        let sent = 0;
        while (link.buffered === 0 && sent < 200) {
          link.send(new Uint8Array(500_000));
          sent++;
        }
        expect(link.buffered).toBeGreaterThan(0);
        await other.until(() => other.messages.length === sent);
        await vi.waitFor(() => expect(link.buffered).toBe(0));
      });
    }

    test('[TR12] both sides may close at once: each is told once, of its own reason', async () => {
      const { near, far } = await pair(takeLinks(setup.acceptor));
      near.link.close(new CotableError('store.closed', {}));
      far.link.close(new CotableError('relay.closed', {}));
      await roundTrip();
      expect(near.record.calls).toEqual(['opened', 'closed']);
      expect(far.record.calls).toEqual(['opened', 'closed']);
      expect([near, far].map(({ record }) => record.reasons[0]?.code)).toEqual(['store.closed', 'relay.closed']);
    });

    test('[TR13] failing to open is closed, once, and never a throw or opened', async () => {
      const near = connectRecorded(setup.unreachable);
      await near.record.isClosed;
      near.link.send(numbered(1));
      near.link.close();
      expect(near.record.calls).toEqual(['closed']);
    });

    test('[TR14] a link closed before it opened is closed once and never opened', async () => {
      const taker = takeLinks(setup.acceptor);
      const near = connect();
      near.link.close(new CotableError('store.closed', {}));
      expect(near.record.calls).toEqual(['closed']);
      await roundTrip();
      expect(near.record.calls).toEqual(['closed']);
      for (const { record } of taker.taken) expect(record.calls.filter((call) => call === 'message')).toEqual([]);
    });

    test('[TR15] a link that breaks loses nothing but its tail; both sides are told once', async () => {
      const { near, far } = await pair(takeLinks(setup.acceptor));
      for (let index = 0; index < 1000; index++) near.link.send(numbered(index));
      await far.record.until(() => far.record.messages.length > 10);
      for (let index = 1000; index < 2000; index++) near.link.send(numbered(index));
      setup.sever();
      near.link.send(numbered(2000));
      await Promise.all([near.record.isClosed, far.record.isClosed]);
      expect(far.record.messages.map(numberOf)).toEqual(far.record.messages.map((_, index) => index));
      for (const { record } of [near, far]) {
        expect(record.calls.filter((call) => call === 'closed')).toHaveLength(1);
        expect(record.calls.at(-1)).toBe('closed');
        expect(record.reasons).toEqual([undefined]);
      }
    });

    test('[TR16] it never reconnects: after a break, a new link is a new call of connect and of accept', async () => {
      const taker = takeLinks(setup.acceptor);
      const first = await pair(taker);
      setup.sever();
      await Promise.all([first.near.record.isClosed, first.far.record.isClosed]);
      const second = await pair(taker);
      second.near.link.send(numbered(7));
      await second.far.record.until(() => second.far.record.messages.length === 1);
      expect(taker.taken).toHaveLength(2);
      expect(first.far.record.messages).toEqual([]);
    });

    test('[TR17] available tells its present answer at once, and nothing after it was stopped', () => {
      const answers: boolean[] = [];
      const stop = setup.transport.available?.((available) => answers.push(available));
      expect(answers).toEqual(setup.transport.available ? [true] : []);
      stop?.();
    });

    test('[TR18] accept is told where a link comes from: an address, and headers with lower-case names', async () => {
      const taker = takeLinks(setup.acceptor);
      await pair(taker);
      const origin = taker.taken[0]?.origin;
      expect(origin?.ip).toMatch(/127\.0\.0\.1$/);
      const names = Object.keys(origin?.headers ?? {});
      expect(names).toEqual(names.map((header) => header.toLowerCase()));
    });

    test('[TR19] after stop, no link is taken and connecting fails; open links stay', async () => {
      const taker = takeLinks(setup.acceptor, (link) => ({ message: (message) => link.send(message) }));
      const { near } = await pair(taker);
      setup.acceptor.stop();
      const late = connect();
      await late.record.isClosed;
      expect(late.record.calls).toEqual(['closed']);
      expect(taker.taken).toHaveLength(1);
      near.link.send(numbered(3));
      await near.record.until(() => near.record.messages.length === 1);
      expect(near.record.messages.map(numberOf)).toEqual([3]);
    });

    /** Whatever was on its way when this was called has arrived when it resolves. */
    async function roundTrip(): Promise<void> {
      const near = connect();
      await near.record.isOpened;
      near.link.close();
    }
  });
}

function numbered(value: number): Uint8Array {
  const message = new Uint8Array(4);
  new DataView(message.buffer).setInt32(0, value);
  return message;
}

function numberOf(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getInt32(0);
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return a.length === b?.length && a.every((byte, index) => byte === b[index]);
}
