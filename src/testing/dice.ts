import type { Random } from '../ports/clock.ts';

/** Chance that repeats: equal seeds give equal throws, on every machine. */
export interface Dice {
  readonly random: Random;
  chance(probability: number): boolean;
  /** A whole number from 0, below `count`. */
  below(count: number): number;
  between(from: number, to: number): number;
  /** Throws when there is nothing to pick from. */
  pick<T>(list: readonly T[]): T;
  /** Dice that go their own way from here, however often these are thrown. */
  fork(): Dice;
}

/** Chris Doty-Humphrey's sfc32, begun with the numbers of `seed`. */
export function createDice(...seed: readonly number[]): Dice {
  let [a, b, c, count] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];

  function next(): number {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  for (const number of seed) {
    a ^= number >>> 0;
    b ^= Math.floor(number / 2 ** 32) >>> 0;
    for (let turn = 0; turn < 15; turn++) next();
  }

  const random: Random = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
  const dice: Dice = {
    random,
    chance: (probability) => random() < probability,
    below: (limit) => Math.floor(random() * limit),
    between: (from, to) => from + random() * (to - from),
    pick(list) {
      if (list.length === 0) throw new Error('there is nothing to pick from');
      return list[dice.below(list.length)] as (typeof list)[number];
    },
    fork: () => createDice(next(), next(), next()),
  };
  return dice;
}
