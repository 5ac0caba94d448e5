import type { TabTransport } from 'cotable';

/** Tabs that hear each other when the test says so: in order between any two, in any order among several. */
export interface TabNet {
  /** `name` is that of the tab, to be frozen by. */
  transport(name?: string): TabTransport;
  /** A frozen tab hears nothing, and nothing is heard of it; what was said meanwhile comes when it wakes. */
  freeze(name: string, isFrozen: boolean): void;
  /** From now on messages wait, or no longer. */
  hold(isHeld: boolean): void;
  /** Delivers one message that waits; `pick` chooses between the ways from one tab to another. False: none waits. */
  deliverOne(pick: number): boolean;
  /** Delivers what waits, and what comes of it, until nothing does. */
  deliverAll(): Promise<void>;
}

interface Ear {
  readonly name: string | undefined;
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
  const frozen = new Set<string | undefined>();
  const isStill = ({ from, to }: Way): boolean => frozen.has(from.name) || frozen.has(to.name);

  function carry(from: Ear, to: Ear, message: unknown): void {
    let way = ways.find((each) => each.from === from && each.to === to);
    if (!way) ways.push((way = { from, to, messages: [] }));
    way.messages.push(structuredClone(message));
    if (!isHeld) setImmediate(() => isHeld || isStill(way) || deliver(way));
  }

  function deliver(way: Way): void {
    const message = way.messages.shift();
    if (message !== undefined && ears.has(way.to)) way.to.heard(message);
  }

  const net: TabNet = {
    transport: (name) => ({
      join(place, heard) {
        const ear: Ear = { name, place, heard };
        ears.add(ear);
        return {
          send(message) {
            if (ears.has(ear)) for (const other of ears) if (other !== ear && other.place === place) carry(ear, other, message);
          },
          close: () => void ears.delete(ear),
        };
      },
    }),
    freeze(name, isFrozen) {
      if (isFrozen) frozen.add(name);
      else frozen.delete(name);
      for (const way of isHeld ? [] : ways) if (!isStill(way)) for (let due = way.messages.length; due > 0; due--) deliver(way);
    },
    hold: (held) => void (isHeld = held),
    deliverOne(pick) {
      ways = ways.filter(({ messages, to }) => messages.length > 0 && ears.has(to));
      const open = ways.filter((way) => !isStill(way));
      const way = open[pick % Math.max(1, open.length)];
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
