import { createLinkEnd, type LinkEnd } from '../../transports/link-end.ts';
import type { CotableError } from '../errors.ts';
import type { Link, LinkEvents, LinkOrigin, Transport } from '../ports/transport.ts';
import { whenAwake, type Party, type Schedule } from './schedule.ts';
import type { Weather } from './weather.ts';
import { createWire, type Wire } from './wire.ts';

export type Accept = (link: Link, origin: LinkOrigin) => LinkEvents;

/** What happens to messages. */
export interface NetworkEvents {
  /** `link` is one object for each link; `isUp`: from the tab to the relay. */
  sent(tab: Party, link: object, isUp: boolean, message: Uint8Array): void;
  /** `isLate`: the tab has given up the link that it arrives over. */
  arrived(message: Uint8Array, isUp: boolean, isLate: boolean): void;
  lost(): void;
}

/** Links between tabs and a relay, by lines: one for each device. */
export interface Network {
  /** Things in flight, held ones included. */
  readonly inFlight: number;
  transport(tab: Party, line: string): Transport;
  /** Who takes links from now on; `undefined`: nobody does. */
  listen(relay: Party | undefined, accept?: Accept): void;
  /** Breaks the links of a line (left out: all): each side hears of it when what gets through has arrived. Returns how many. */
  cut(line?: string): number;
  /**
   * Each link of a line loses one message, of those to the relay (`isUp`) or from it, and goes on: worse than a transport may
   * be, so whoever does this cuts the line soon. Returns how many.
   */
  leak(line: string, isUp: boolean): number;
  /** Whether a link that has lost a message that way still goes on: its cut is due. */
  readonly hasLeak: boolean;
  /** Whether the tab's last link has lost a message that way. */
  isLeaky(tab: Party): boolean;
  /** What is sent over the line stays in flight, both ways, until `release`. So do opening and closing. */
  hold(line: string): void;
  release(line: string): void;
  /** Whether connecting fails at once. */
  refuse(line: string, refuses: boolean): void;
  /** The party is gone without a word: the other side of its links hears so when what gets through has arrived. */
  vanish(party: Party): void;
}

interface Line {
  readonly pairs: Set<Pair>;
  isHeld: boolean;
  refuses: boolean;
}

/** A link with both its ends. */
interface Pair {
  readonly line: Line;
  readonly tab: Party;
  readonly near: LinkEnd;
  readonly far: LinkEnd;
  readonly up: Wire;
  readonly down: Wire;
  /** Who took it. */
  relay: Party | undefined;
  isBroken: boolean;
  /** A message was lost in the middle of it. */
  isLeaky: boolean;
}

const ORIGIN: LinkOrigin = { ip: '127.0.0.1', headers: {} };

export function createNetwork(schedule: Schedule, weather: Weather, events: NetworkEvents): Network {
  const lines = new Map<string, Line>();
  const leaky = new WeakSet<Party>();
  let listener: { readonly relay: Party; readonly accept: Accept } | undefined;

  function lineOf(name: string): Line {
    let line = lines.get(name);
    if (!line) lines.set(name, (line = { pairs: new Set(), isHeld: false, refuses: false }));
    return line;
  }

  function connect(line: Line, tab: Party, told: LinkEvents): Link {
    const wire = (): Wire => createWire(schedule, weather, () => line.isHeld, events.lost);
    const ends = { near: createLinkEnd(), far: createLinkEnd(), up: wire(), down: wire() };
    const pair: Pair = { line, tab, ...ends, relay: undefined, isBroken: false, isLeaky: false };
    leaky.delete(tab);
    line.pairs.add(pair);
    pair.near.listen(whileAlive(tab, told));
    pair.up.carry(0, () => {
      if (!listener || line.refuses) {
        closeEnd(pair, pair.far);
        return pair.down.carry(0, () => closeEnd(pair, pair.near));
      }
      pair.relay = listener.relay;
      pair.far.listen(whileAlive(listener.relay, listener.accept(linkOf(pair, pair.far), ORIGIN)));
      pair.down.carry(0, () => pair.near.opened());
      pair.far.opened();
    });
    return linkOf(pair, pair.near);
  }

  /** What one side holds. */
  function linkOf(pair: Pair, end: LinkEnd): Link {
    const isNear = end === pair.near;
    const other = isNear ? pair.far : pair.near;
    const out = isNear ? pair.up : pair.down;
    return {
      get buffered() {
        return end.isOpen ? out.bytes : 0;
      },
      send(message) {
        if (!end.isOpen) return;
        const copy = new Uint8Array(message);
        events.sent(pair.tab, pair, isNear, copy);
        out.carry(copy.length, () => {
          if (!other.isOpen) return events.lost();
          events.arrived(copy, isNear, isNear && end.isClosed);
          other.message(copy);
        });
      },
      close(reason) {
        if (end.isClosed) return;
        closeEnd(pair, end, reason);
        out.carry(0, () => closeEnd(pair, other, reason));
      },
    };
  }

  function sever(pair: Pair, wire: Wire): void {
    wire.sever(weather.kept(wire.count), weather.stall(), () => closeEnd(pair, wire === pair.up ? pair.far : pair.near));
  }

  function pairs(name?: string): Pair[] {
    const found = name === undefined ? [...lines.values()] : [lineOf(name)];
    return found.flatMap((line) => [...line.pairs]);
  }

  return {
    get inFlight() {
      return pairs().reduce((sum, { up, down }) => sum + up.count + down.count, 0);
    },
    transport: (tab, name) => ({ connect: (told) => connect(lineOf(name), tab, told) }),
    listen(relay, accept) {
      listener = relay && accept && { relay, accept };
    },
    cut(name) {
      const whole = pairs(name).filter((pair) => !pair.isBroken);
      for (const pair of whole) {
        pair.isBroken = true;
        if (weather.outlives()) {
          pair.up.sever(pair.up.count, weather.stall(), () => closeEnd(pair, pair.far));
          pair.down.sever(0, 0, () => closeEnd(pair, pair.near));
        } else {
          sever(pair, pair.up);
          sever(pair, pair.down);
        }
      }
      return whole.length;
    },
    leak(name, isUp) {
      const whole = pairs(name).filter((pair) => !pair.isBroken);
      for (const pair of whole) {
        leaky.add(pair.tab);
        pair.isLeaky = true;
        (isUp ? pair.up : pair.down).leak();
      }
      return whole.length;
    },
    get hasLeak() {
      return pairs().some(({ isLeaky, isBroken }) => isLeaky && !isBroken);
    },
    isLeaky: (tab) => leaky.has(tab),
    hold(name) {
      lineOf(name).isHeld = true;
    },
    release(name) {
      lineOf(name).isHeld = false;
      for (const { up, down } of pairs(name)) for (const wire of [up, down]) wire.resume();
    },
    refuse(name, refuses) {
      lineOf(name).refuses = refuses;
    },
    vanish(party) {
      for (const pair of pairs()) {
        if (pair.tab !== party && pair.relay !== party) continue;
        pair.isBroken = true;
        const [lost, kept] = pair.tab === party ? [pair.down, pair.up] : [pair.up, pair.down];
        closeEnd(pair, pair.tab === party ? pair.near : pair.far);
        lost.sever(0, 0);
        sever(pair, kept);
      }
    },
  };
}

function closeEnd(pair: Pair, end: LinkEnd, reason?: CotableError): void {
  end.closed(reason);
  if (pair.near.isClosed && pair.far.isClosed) pair.line.pairs.delete(pair);
}

/** Who has vanished hears nothing any more. */
function whileAlive(party: Party, { opened, message, closed }: LinkEvents): LinkEvents {
  return {
    opened: () => whenAwake(party, (isAlive) => isAlive && opened()),
    message: (bytes) => whenAwake(party, (isAlive) => isAlive && message(bytes)),
    closed: (reason) => whenAwake(party, (isAlive) => isAlive && closed(reason)),
  };
}
