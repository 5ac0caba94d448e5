import { memoryHub } from 'cotable/transports/memory';
import { describe, expect, test } from 'vitest';
import { connectRecorded, takeLinks, type RecordedLink } from './link-recorder.ts';
import { memoryHubSetup } from './memory-hub-setup.ts';
import { transportSuite } from './transport.suite.ts';

transportSuite('memory', memoryHubSetup);

describe('the network of the memory hub', () => {
  const bytes = (record: RecordedLink['record']): number[] => record.messages.map((message) => message[0] ?? -1);

  /** A hub whose messages arrive when `turn` is called, with `near` and `far` open. */
  async function opened(name: string) {
    const due: (() => void)[] = [];
    const turn = (): void => {
      for (let run = due.shift(); run; run = due.shift()) run();
    };
    const hub = memoryHub({ clock: { soon: (run) => due.push(run) } });
    const taker = takeLinks(hub.acceptor());
    const connect = async (): Promise<{ near: RecordedLink; far: RecordedLink }> => {
      const index = taker.taken.length;
      const near = connectRecorded(hub.transport(name));
      turn();
      return { near, far: await taker.at(index) };
    };
    return { hub, turn, taker, connect, ...(await connect()) };
  }

  test('[MH1] nothing arrives within send; all arrives in its turn', async () => {
    const { near, far, turn } = await opened('alice');
    near.link.send(Uint8Array.of(1));
    near.link.send(Uint8Array.of(2));
    expect(bytes(far.record)).toEqual([]);
    expect(near.link.buffered).toBe(2);
    turn();
    expect(bytes(far.record)).toEqual([1, 2]);
    expect(near.link.buffered).toBe(0);
  });

  test('[MH2] cut loses what is in flight in both directions and tells both sides, soon and without a reason', async () => {
    const { hub, near, far, turn } = await opened('alice');
    near.link.send(Uint8Array.of(1));
    far.link.send(Uint8Array.of(2));
    hub.cut('alice');
    near.link.send(Uint8Array.of(3));
    expect([near.record.calls, far.record.calls]).toEqual([['opened'], ['opened']]);
    turn();
    expect([near.record.calls, far.record.calls]).toEqual([
      ['opened', 'closed'],
      ['opened', 'closed'],
    ]);
    expect([near.record.reasons, far.record.reasons]).toEqual([[undefined], [undefined]]);
  });

  test('[MH2] cut of a name leaves other transports alone; without a name it takes all', async () => {
    const { hub, near, taker, turn } = await opened('alice');
    const other = connectRecorded(hub.transport('bob'));
    turn();
    hub.cut('bob');
    turn();
    expect([near.record.calls, other.record.calls]).toEqual([['opened'], ['opened', 'closed']]);
    hub.cut();
    turn();
    expect(near.record.calls).toEqual(['opened', 'closed']);
    expect(taker.taken.map(({ record }) => record.calls.at(-1))).toEqual(['closed', 'closed']);
  });

  test('[MH3] what is held arrives in order after release, in both directions', async () => {
    const { hub, near, far, turn } = await opened('alice');
    near.link.send(Uint8Array.of(1));
    hub.hold('alice');
    near.link.send(Uint8Array.of(2));
    far.link.send(Uint8Array.of(3));
    turn();
    expect([bytes(far.record), bytes(near.record)]).toEqual([[], []]);
    expect(near.link.buffered).toBe(2);
    hub.release('alice');
    near.link.send(Uint8Array.of(4));
    turn();
    expect([bytes(far.record), bytes(near.record)]).toEqual([[1, 2, 4], [3]]);
  });

  test('[MH3] cut loses what is held', async () => {
    const { hub, near, far, turn } = await opened('alice');
    near.link.send(Uint8Array.of(1));
    turn();
    hub.hold('alice');
    near.link.send(Uint8Array.of(2));
    turn();
    hub.cut('alice');
    hub.release('alice');
    turn();
    expect(bytes(far.record)).toEqual([1]);
    expect(far.record.calls.at(-1)).toBe('closed');
  });

  test('[MH3] opening and closing are held too', async () => {
    const { hub, near, far, connect, taker, turn } = await opened('alice');
    hub.hold('alice');
    const late = connectRecorded(hub.transport('alice'));
    near.link.close();
    turn();
    expect([late.record.calls, far.record.calls]).toEqual([[], ['opened']]);
    hub.release('alice');
    turn();
    expect([late.record.calls, far.record.calls]).toEqual([['opened'], ['opened', 'closed']]);
    await connect();
    expect(taker.taken).toHaveLength(3);
  });

  test('[MH4] setAvailable tells each listener of a change; while it is off, connecting fails and open links stay', async () => {
    const { hub, near, far, turn } = await opened('alice');
    const answers: boolean[] = [];
    const stop = hub.transport('alice').available?.((available) => answers.push(available));
    hub.setAvailable('alice', true);
    hub.setAvailable('alice', false);
    hub.setAvailable('bob', true);
    const refused = connectRecorded(hub.transport('alice'));
    near.link.send(Uint8Array.of(1));
    turn();
    expect(refused.record.calls).toEqual(['closed']);
    expect(bytes(far.record)).toEqual([1]);
    hub.setAvailable('alice', true);
    stop?.();
    hub.setAvailable('alice', false);
    expect(answers).toEqual([true, false, true]);
  });

  test('[MH5] the acceptor that was started last takes the links, until it is stopped', async () => {
    const { hub, taker, turn } = await opened('alice');
    const second = hub.acceptor();
    const taken = takeLinks(second).taken;
    connectRecorded(hub.transport('alice'));
    turn();
    expect([taker.taken.length, taken.length]).toEqual([1, 1]);
    second.stop();
    const late = connectRecorded(hub.transport('alice'));
    turn();
    expect(late.record.calls).toEqual(['closed']);
  });
});
