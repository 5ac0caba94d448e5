import { errorFromBody } from '../src/errors.ts';
import type { Clock } from '../src/ports/clock.ts';
import type { Acceptor, Link, LinkOrigin, Transport } from '../src/ports/transport.ts';
import { realClock } from '../src/util/real-clock.ts';
import { createLinkEnd, type LinkEnd } from './link-end.ts';

/** Links inside one process, with a network that does as it is told. */
export interface MemoryHub {
  /** A way to the acceptor. The controls below know its links by `name`; transports of one name are one to them. */
  transport(name?: string): Transport;
  /** Where links arrive. Of several, the one started last takes them until it is stopped; without any, connecting fails. */
  acceptor(): Acceptor;
  /**
   * Breaks that transport's links (no name: all links). What is in flight in either direction is lost, held or not, and
   * each side hears `closed`, without a reason, soon.
   */
  cut(name?: string): void;
  /** What is sent over that transport's links stays in flight, both ways, until `release`. So do opening and closing. */
  hold(name: string): void;
  release(name: string): void;
  /** What `available` of that transport says. While it says no, connecting fails; open links stay. */
  setAvailable(name: string, available: boolean): void;
}

/** All links of the transports of one name. */
interface Line {
  readonly wires: Set<Wire>;
  readonly cuts: Set<() => void>;
  readonly listeners: Set<(available: boolean) => void>;
  available: boolean;
  held: boolean;
}

const ORIGIN: LinkOrigin = { ip: '127.0.0.1', headers: {} };

/** `clock` decides when a message arrives; without it that is a later turn of the event loop (in browsers a microtask). */
export function memoryHub(options: { readonly clock?: Pick<Clock, 'soon'> } = {}): MemoryHub {
  const clock = options.clock ?? realClock();
  const soon = (run: () => void): void => clock.soon(run);
  const lines = new Map<string, Line>();
  let accept: Parameters<Acceptor['start']>[0] | undefined;

  const lineOf = (name: string): Line => {
    const line = lines.get(name) ?? { wires: new Set(), cuts: new Set(), listeners: new Set(), available: true, held: false };
    lines.set(name, line);
    return line;
  };

  const connect = (line: Line, near: LinkEnd): Link => {
    const far = createLinkEnd();
    const isHeld = (): boolean => line.held;
    const toFar = createWire(soon, isHeld);
    const toNear = createWire(soon, isHeld);
    const cut = (): void => {
      forget();
      for (const wire of [toFar, toNear]) wire.cut();
      soon(() => {
        near.closed();
        far.closed();
      });
    };
    const forget = (): void => {
      line.cuts.delete(cut);
      for (const wire of [toFar, toNear]) line.wires.delete(wire);
    };
    line.cuts.add(cut);
    for (const wire of [toFar, toNear]) line.wires.add(wire);

    toFar.carry(0, () => {
      if (!accept || !line.available) {
        toNear.carry(0, () => {
          near.closed();
          forget();
        });
        return;
      }
      far.listen(accept(linkOf(far, toNear, near, forget), ORIGIN));
      toNear.carry(0, () => near.opened());
      far.opened();
    });
    return linkOf(near, toFar, far, forget);
  };

  return {
    transport(name = '') {
      const line = lineOf(name);
      return {
        connect(events) {
          const near = createLinkEnd();
          near.listen(events);
          return connect(line, near);
        },
        available(listener) {
          // Two subscriptions of one function are two.
          const told = (available: boolean): void => listener(available);
          line.listeners.add(told);
          told(line.available);
          return () => line.listeners.delete(told);
        },
      };
    },
    acceptor() {
      let mine: typeof accept;
      return {
        start(take) {
          accept = mine = take;
        },
        stop() {
          if (accept === mine) accept = undefined;
        },
      };
    },
    cut(name) {
      for (const line of name === undefined ? lines.values() : [lineOf(name)]) for (const cut of line.cuts) cut();
    },
    hold(name) {
      lineOf(name).held = true;
    },
    release(name) {
      const line = lineOf(name);
      line.held = false;
      for (const wire of line.wires) wire.resume();
    },
    setAvailable(name, available) {
      const line = lineOf(name);
      if (line.available === available) return;
      line.available = available;
      for (const told of line.listeners) told(available);
    },
  };
}

/** What the side `end` holds: `out` leads to the side `other`. `forget` is called when both sides know that it is closed. */
function linkOf(end: LinkEnd, out: Wire, other: LinkEnd, forget: () => void): Link {
  return {
    get buffered() {
      return end.isOpen ? out.bytes : 0;
    },
    send(message) {
      if (!end.isOpen) return;
      const copy = new Uint8Array(message);
      out.carry(copy.byteLength, () => other.message(copy));
    },
    close(reason) {
      if (!end.closed(reason)) return;
      const carried = reason && errorFromBody(reason.toJSON());
      out.carry(0, () => {
        other.closed(carried);
        forget();
      });
    },
  };
}

/** One direction of a link. What it carries arrives one by one, in order, each in a turn of its own. */
interface Wire {
  /** Bytes in flight. */
  readonly bytes: number;
  carry(bytes: number, arrive: () => void): void;
  /** Lets what was held arrive. */
  resume(): void;
  /** Loses what is in flight and all that follows. */
  cut(): void;
}

function createWire(soon: (run: () => void) => void, isHeld: () => boolean): Wire {
  let flying: { readonly bytes: number; readonly arrive: () => void }[] = [];
  let bytes = 0;
  let isCut = false;
  const next = (): void => {
    if (isHeld()) return;
    const first = flying.shift();
    if (!first) return;
    bytes -= first.bytes;
    first.arrive();
  };
  return {
    get bytes() {
      return bytes;
    },
    carry(size, arrive) {
      if (isCut) return;
      flying.push({ bytes: size, arrive });
      bytes += size;
      soon(next);
    },
    resume() {
      // The turns that were due while it was held passed without effect.
      for (let due = flying.length; due > 0; due--) soon(next);
    },
    cut() {
      isCut = true;
      flying = [];
      bytes = 0;
    },
  };
}
