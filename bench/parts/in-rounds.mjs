import { summarize } from './figures.mjs';
import { rounds } from './settings.mjs';

/** Measures each of `compared` in each round. What is known of each, and its figures over all rounds. */
export async function inRounds(compared, measure, tell) {
  const names = Object.keys(compared);
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Interleaved, and each time another one first: what else the machine does then falls on all of them.
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      const result = await measure(name);
      results[name].push(result);
      tell(name, round + 1, result);
    }
  }
  return Object.fromEntries(names.map((name) => [name, { ...compared[name], ...summarize(results[name]) }]));
}
