import type { Schedule } from './schedule.ts';
import type { Weather } from './weather.ts';

/** One direction of a link. What it carries arrives one by one, in order. */
export interface Wire {
  /** Bytes in flight. */
  readonly bytes: number;
  /** Things in flight. */
  readonly count: number;
  carry(bytes: number, arrive: () => void): void;
  /** Lets what was held arrive. */
  resume(): void;
  /** Loses one message, what is in flight first or else what comes next, and goes on. */
  leak(): void;
  /** Keeps the first `keep` of what is in flight, `stall` late, and `end` after them; loses the rest, and all that follows. */
  sever(keep: number, stall: number, end?: () => void): void;
}

/** `lost` hears of each message (what has no bytes is none) that will not arrive. */
export function createWire(schedule: Schedule, weather: Weather, isHeld: () => boolean, lost: () => void): Wire {
  const flying: { readonly bytes: number; readonly arrive: () => void }[] = [];
  let bytes = 0;
  let isSevered = false;
  let isLeaking = false;
  /** When the last one is due. */
  let last = 0;
  /** Raised when all that was due is due at other times. */
  let plan = 0;

  function expect(delay: number): void {
    const mine = plan;
    last = Math.max(last, schedule.now + delay);
    schedule.after(last - schedule.now, () => mine === plan && next());
  }

  function next(): void {
    if (isHeld()) return;
    const first = flying.shift();
    if (!first) return;
    bytes -= first.bytes;
    first.arrive();
  }

  function replan(stall: number): void {
    plan += 1;
    last = schedule.now + stall;
    for (let due = flying.length; due > 0; due--) expect(weather.latency());
  }

  return {
    get bytes() {
      return bytes;
    },
    get count() {
      return flying.length;
    },
    carry(size, arrive) {
      if (isSevered) {
        if (size > 0) lost();
        return;
      }
      if (isLeaking && size > 0) {
        isLeaking = false;
        return lost();
      }
      flying.push({ bytes: size, arrive });
      bytes += size;
      expect(weather.latency());
    },
    leak() {
      const at = flying.findIndex(({ bytes: size }) => size > 0);
      if (isSevered) return;
      isLeaking = at < 0;
      if (isLeaking) return;
      bytes -= flying[at]?.bytes ?? 0;
      flying.splice(at, 1);
      lost();
    },
    // A stall that a break has brought is not over with that.
    resume: () => replan(isSevered ? Math.max(0, last - schedule.now) : 0),
    sever(keep, stall, end) {
      if (isSevered) return;
      isSevered = true;
      for (const { bytes: size } of flying.splice(keep)) {
        bytes -= size;
        if (size > 0) lost();
      }
      if (end) flying.push({ bytes: 0, arrive: end });
      replan(stall);
    },
  };
}
