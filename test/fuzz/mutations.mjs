// Ways to spoil bytes. Each call of `spoil` does one to three of them and counts what it did.

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function diceOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const concat = (...parts) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const changed = (bytes, at, value) => {
  const copy = bytes.slice();
  if (copy.length > 0) copy[at] = value;
  return copy;
};

const BIG = [
  [0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
].map((list) => new Uint8Array(list));

const kinds = {
  bit: (bytes, { at, below }) => changed(bytes, at, bytes[at] ^ (1 << below(8))),
  byte: (bytes, { at, below }) => changed(bytes, at, below(256)),
  small: (bytes, { at, below }) => changed(bytes, at, below(12)),
  insert: (bytes, { at, below }) => concat(bytes.subarray(0, at), [below(256)], bytes.subarray(at)),
  remove: (bytes, { at }) => concat(bytes.subarray(0, at), bytes.subarray(at + 1)),
  cut: (bytes, { at }) => bytes.slice(0, at),
  repeat: (bytes, { at, below }) => concat(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - below(40)), at), bytes.subarray(at)),
  huge: (bytes, { at, below }) => concat(bytes.subarray(0, at), BIG[below(BIG.length)], bytes.subarray(at + 1)),
  splice: (bytes, { at, below, other }) => concat(bytes.subarray(0, at), other.subarray(below(other.length))),
  /** What stands in texts: what comes of it is mostly well-formed. */
  letter(bytes, { at, below }) {
    for (let step = 0; step < bytes.length; step++) {
      const place = (at + step) % bytes.length;
      if (bytes[place] >= 97 && bytes[place] <= 122) return changed(bytes, place, 97 + below(26));
    }
    return bytes;
  },
};
const names = Object.keys(kinds);

export function createSpoiler(dice) {
  const counts = Object.fromEntries(names.map((name) => [name, 0]));
  const below = (limit) => Math.floor(dice() * limit);
  return {
    counts,
    spoil(bytes, other) {
      // Some keep their form, so that enough gets as far as the last rules.
      const isMild = dice() < 0.1;
      let spoilt = bytes;
      for (let times = isMild ? 1 : 1 + below(3); times > 0 && spoilt.length > 0; times--) {
        const name = isMild ? 'letter' : names[below(names.length)];
        counts[name] += 1;
        spoilt = kinds[name](spoilt, { at: below(spoilt.length), below, other });
      }
      return spoilt;
    },
  };
}

/** Throws when something that was to happen never did: the run proves nothing then. */
export function assertAllHappened(counts) {
  const never = Object.keys(counts).filter((name) => counts[name] === 0);
  if (never.length > 0) throw new Error(`never injected: ${never.join(', ')}`);
}
