// npm run sim -- --seed 1 --steps 300000     one line when all went well; otherwise what went wrong, and exit code 1
// npm run sim -- --seed 1 --round 17         one round of that seed again
import { parseArgs } from 'node:util';
import { reportLine, simulate } from 'cotable/testing';
import { act, backend, invariant, marks } from '../simulation/items.mjs';

const { values } = parseArgs({ options: { seed: { type: 'string' }, steps: { type: 'string' }, round: { type: 'string' } } });

try {
  const report = await simulate({
    backend,
    act,
    invariant,
    marks,
    seed: Number(values.seed ?? 1),
    steps: Number(values.steps ?? 100_000),
    round: values.round === undefined ? undefined : Number(values.round),
  });
  console.log(reportLine(report));
} catch (error) {
  console.error(process.env.DEBUG ? error : error.message);
  process.exitCode = 1;
}
