// npm run sim:mutants                       plants each bug into a copy of the build and looks for it with the simulator, in 2M
// npm run sim:mutants -- fences marks       steps at most; one line each, a receipt, and exit code 1 when one is not found.
//                                           With words: those whose names hold one of them
import { availableParallelism } from 'node:os';
import { findBug, plantedBugs } from '../simulation/planted.mjs';

const words = process.argv.slice(2);
const chosen = plantedBugs.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const waiting = [...chosen];
let found = 0;
let steps = 0;

await Promise.all(Array.from({ length: availableParallelism() }, work));
console.log(`planted=${chosen.length} found=${found} steps=${steps}`);
process.exitCode = found === chosen.length && found > 0 ? 0 : 1;

async function work() {
  for (let bug = waiting.shift(); bug; bug = waiting.shift()) {
    const search = await findBug(bug);
    steps += search.steps;
    if (search.isFound) found += 1;
    const where = search.isFound ? `seed=${search.seed} steps=${search.steps}` : `NOT FOUND steps=${search.steps}`;
    console.log(`${bug.name}: ${where} ${search.said}`);
  }
}
