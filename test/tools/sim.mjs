// npm run sim -- --seed 1 --steps 300000     one line when all went well; otherwise what went wrong, and exit code 1
// npm run sim -- --seed 1 --clients 2        with other than 3 devices; the last one has more than one tab
// npm run sim -- --seed 1 --round 17         one round of that seed again; --stack shows where it failed
import { parseArgs } from 'node:util';
import { reportLine, simulate } from 'cotable/testing';
import { act, backend, invariant, marks } from '../simulation/items.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    steps: { type: 'string' },
    round: { type: 'string' },
    clients: { type: 'string' },
    stack: { type: 'boolean' },
  },
});

// What the product does not catch belongs to the seed too.
process.on('unhandledRejection', (error) => fail(new Error(`seed=${values.seed}: unhandled rejection: ${error}`, { cause: error })));

try {
  const report = await simulate({
    backend,
    act,
    invariant,
    marks,
    seed: Number(values.seed ?? 1),
    steps: Number(values.steps ?? 100_000),
    clients: values.clients === undefined ? undefined : Number(values.clients),
    round: values.round === undefined ? undefined : Number(values.round),
  });
  console.log(reportLine(report));
} catch (error) {
  fail(error);
}

function fail(error) {
  console.error(values.stack ? error : error.message);
  process.exit(1);
}
