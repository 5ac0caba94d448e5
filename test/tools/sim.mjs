// npm run sim                                10,000,000 steps of eight seeds on all cores; one line when all went well,
// npm run sim -- --steps 1000000             otherwise what went wrong, and exit code 1. --first 9: other seeds
// npm run sim -- --seed 1 --steps 300000     one seed; the same again gives the same line
// npm run sim -- --seed 1 --clients 2        with other than 3 devices; the last one has more than one tab
// npm run sim -- --seed 1 --round 17         one round of that seed again; --stack shows where it failed
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { reportLine, RUN_KINDS, simulate } from 'cotable/testing';
import { act, backend, invariant, marks, upgrades } from '../simulation/items.mjs';
import { platform } from '../simulation/jobs.mjs';
import { watch } from '../simulation/viewers.mjs';

const SEEDS = 8;
/** How often a long run says that it is still at work. */
const PROGRESS_MS = 15_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string' },
    steps: { type: 'string' },
    round: { type: 'string' },
    clients: { type: 'string' },
    stack: { type: 'boolean' },
  },
});
const numberOf = (text) => (text === undefined ? undefined : Number(text));

try {
  const reports = values.seed === undefined && values.round === undefined ? await runSeeds() : [await runSeed(Number(values.seed ?? 1))];
  // Who has started this as one of its seeds makes one line of all.
  if (process.send) process.send({ report: reports[0] });
  else console.log(reportLine(...reports));
} catch (error) {
  fail(error);
}

async function runSeed(seed) {
  // What the product does not catch belongs to the seed too.
  process.on('unhandledRejection', (error) => fail(new Error(`seed=${seed}: unhandled rejection: ${error}`, { cause: error })));
  return simulate({
    backend,
    upgrades,
    platform,
    act,
    invariant,
    watch,
    expects: RUN_KINDS,
    marks,
    seed,
    steps: Number(values.steps ?? 100_000),
    clients: numberOf(values.clients),
    round: numberOf(values.round),
    progress: process.send && ((steps) => process.send({ steps })),
  });
}

/** All of them, as many at a time as there are cores. The first that fails ends the others. */
async function runSeeds() {
  const all = Number(values.steps ?? 10_000_000);
  const first = Number(values.first ?? 1);
  const waiting = Array.from({ length: SEEDS }, (_, index) => first + index);
  const done = new Map(waiting.map((seed) => [seed, 0]));
  const reports = new Map();
  const children = new Set();
  const start = Date.now();
  const progress = setInterval(() => {
    const steps = [...done.values()].reduce((sum, count) => sum + count, 0);
    console.error(`${steps} of ${all} steps, ${reports.size} of ${SEEDS} seeds done, ${Math.round((Date.now() - start) / 1000)} s`);
  }, PROGRESS_MS);
  const next = async () => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) reports.set(seed, await runChild(seed));
  };
  const runChild = (seed) =>
    new Promise((resolve, reject) => {
      const args = ['--seed', String(seed), '--steps', String(Math.ceil(all / SEEDS))];
      const more = [...(values.clients ? ['--clients', values.clients] : []), ...(values.stack ? ['--stack'] : [])];
      // Much is made and forgotten in each step.
      const execArgv = ['--max-semi-space-size=32'];
      const child = fork(fileURLToPath(import.meta.url), [...args, ...more], { execArgv, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
      let report;
      let said = '';
      children.add(child);
      child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
      child.on('message', (message) => {
        if (message.report) report = message.report;
        else done.set(seed, message.steps);
      });
      child.on('close', (code) => {
        children.delete(child);
        if (code === 0 && report) resolve(report);
        else reject(new Error(said.trimEnd() || `seed=${seed}: the process ended with ${code}`));
      });
    });
  try {
    await Promise.all(Array.from({ length: Math.min(SEEDS, availableParallelism()) }, next));
    return [...reports.keys()].sort((a, b) => a - b).map((seed) => reports.get(seed));
  } finally {
    clearInterval(progress);
    for (const child of children) child.kill();
  }
}

function fail(error) {
  console.error(values.stack ? error : error.message);
  process.exit(1);
}
