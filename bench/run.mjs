// npm run bench                 everything, in rounds, with a table at the end and the figures in bench/results
// npm run bench -- --quick      the same with little data: whether it runs, not how fast things are
// npm run bench -- --profile cotable     one round under the profiler: where the server's time goes
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { summarize } from './parts/figures.mjs';
import { installPeers } from './parts/install.mjs';
import { machine } from './parts/machine.mjs';
import { profile } from './parts/profile.mjs';
import { tablesOf } from './parts/report.mjs';
import { runRound } from './parts/round.mjs';
import * as settings from './parts/settings.mjs';
import { measureSizes } from './parts/sizes.mjs';
import { systems } from './parts/systems.mjs';

const started = Date.now();
const say = (text) => console.log(`${String(Math.round((Date.now() - started) / 1_000)).padStart(4)} s  ${text}`);

await installPeers(say);
const at = process.argv.indexOf('--profile');
if (at > 0) {
  console.log(await profile(process.argv[at + 1]));
} else {
  await compare();
}

async function compare() {
  const names = Object.keys(systems);
  const rounds = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < settings.rounds; round++) {
    // Interleaved, and each time another one first: what else the machine does then falls on all of them.
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      const result = await runRound(name);
      rounds[name].push(result);
      const { burst, paced, join } = result;
      say(
        `round ${round + 1}  ${name.padEnd(12)}${Math.round(burst.deliveriesPerSecond / 1_000)}k deliveries/s, ` +
          `${paced.lastReaderMs.toFixed(2)} ms at ${settings.pacedPerSecond}/s${join ? `, join ${Math.round(join.ms)} ms` : ''}`,
      );
    }
  }
  say('bundle sizes');
  const sizes = await measureSizes();
  const { rounds: count, readers, valueBytes, burstWrites, pacedWrites, pacedPerSecond, rows } = settings;
  const figures = names.map((name) => {
    const { title, promise } = systems[name];
    return [name, { title, promise, ...summarize(rounds[name]) }];
  });
  const result = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    setup: { rounds: count, readers, valueBytes, burstWrites, pacedWrites, pacedPerSecond, rows },
    systems: Object.fromEntries(figures),
    sizes,
  };
  const file = new URL(`results/${process.argv.includes('--quick') ? 'quick' : 'latest'}.json`, import.meta.url);
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`\n${tablesOf(result)}\n\nWritten to ${fileURLToPath(file)}`);
}
