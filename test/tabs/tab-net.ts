import type { TabTransport } from 'cotable';

/** Tabs that hear each other when the test says so: in order between any two, in any order among several. */
export interface TabNet {
  transport(): TabTransport;
  /** From now on messages wait, or no longer. */
  hold(isHeld: boolean): void;
  /** Delivers one message that waits; `pick` chooses between the ways from one tab to another. False: none waits. */
  deliverOne(pick: number): boolean;
  /** Delivers what waits, and what comes of it, until nothing does. */
  deliverAll(): Promise<void>;
}

interface Ear {
  readonly place: string;
  readonly heard: (message: unknown) => void;
}

/** Messages from one tab to another. */
interface Way {
  readonly from: Ear;
  readonly to: Ear;
  readonly messages: unknown[];
}

export function createTabNet(): TabNet {
  const ears = new Set<Ear>();
  let ways: Way[] = [];
  let isHeld = false;

  function carry(from: Ear, to: Ear, message: unknown): void {
    let way = ways.find((each) => each.from === from && each.to === to);
    if (!way) ways.push((way = { from, to, messages: [] }));
    way.messages.push(structuredClone(message));
    if (!isHeld) setImmediate(() => isHeld || deliver(way));
  }

  function deliver(way: Way): void {
    const message = way.messages.shift();
    if (message !== undefined && ears.has(way.to)) way.to.heard(message);
  }

  const net: TabNet = {
    transport: () => ({
      join(place, heard) {
        const ear: Ear = { place, heard };
        ears.add(ear);
        return {
          send(message) {
            if (ears.has(ear)) for (const other of ears) if (other !== ear && other.place === place) carry(ear, other, message);
          },
          close: () => void ears.delete(ear),
        };
      },
    }),
    hold: (held) => void (isHeld = held),
    deliverOne(pick) {
      ways = ways.filter(({ messages, to }) => messages.length > 0 && ears.has(to));
      const way = ways[pick % Math.max(1, ways.length)];
      if (way) deliver(way);
      return way !== undefined;
    },
    async deliverAll() {
      // Answers may wait for a disk: a few empty turns tell that nothing more comes.
      for (let quiet = 0; quiet < 5; quiet++) {
        while (net.deliverOne(0)) quiet = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  return net;
}
