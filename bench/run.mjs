// npm run bench                 everything, in rounds, with tables at the end and the figures in bench/results
// npm run bench -- --streams    only the streams
// npm run bench -- --gate       only the gate beside the apply that it protects
// npm run bench -- --runs       only short runs of actions: how many a second, and how soon they begin
// npm run bench -- --quick      the same with little data: whether it runs, not how fast things are
// npm run bench -- --profile cotable     one round under the profiler: where the server's time goes (of streams, with --streams)
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { inRounds } from './parts/in-rounds.mjs';
import { installPeers } from './parts/install.mjs';
import { machine } from './parts/machine.mjs';
import { runPausedRound } from './parts/paused-round.mjs';
import { profile } from './parts/profile.mjs';
import { pausedTableOf, runTableOf, streamTableOf, tablesOf } from './parts/report.mjs';
import { runRound } from './parts/round.mjs';
import * as settings from './parts/settings.mjs';
import { measureSizes } from './parts/sizes.mjs';
import { runStreamRound } from './parts/stream-round.mjs';
import { streamed, systems } from './parts/systems.mjs';

const started = Date.now();
const say = (text) => console.log(`${String(Math.round((Date.now() - started) / 1_000)).padStart(4)} s  ${text}`);
const onlyStreams = process.argv.includes('--streams');

if (process.argv.includes('--gate')) {
  const { measureGate } = await import('../test/tools/gate-cost.mjs');
  await keep('gate', await measureGate(say), () => '');
  process.exit();
}
if (process.argv.includes('--runs')) {
  const { measureRuns } = await import('../test/tools/runs-speed.mjs');
  const quick = process.argv.includes('--quick') ? { runs: 500, singles: 20 } : {};
  await keep('runs', await measureRuns(quick, say), runTableOf);
  process.exit();
}
await installPeers(say);
const at = process.argv.indexOf('--profile');
if (at > 0) {
  const name = process.argv[at + 1];
  const round = onlyStreams ? runStreamRound : (which, options) => runRound(which, { ...options, onlyDeliveries: true });
  console.log(await profile((options) => round(name, options)));
} else {
  if (!onlyStreams) await compareWrites();
  await compareStreams();
}

async function compareWrites() {
  const figures = await inRounds(systems, runRound, (name, round, { burst, paced, join }) =>
    say(
      `round ${round}  ${name.padEnd(12)}${Math.round(burst.deliveriesPerSecond / 1_000)}k deliveries/s, ` +
        `${paced.lastReaderMs.toFixed(2)} ms at ${settings.pacedPerSecond}/s${join ? `, join ${Math.round(join.ms)} ms` : ''}`,
    ),
  );
  say('bundle sizes');
  const sizes = await measureSizes();
  const { rounds, readers, valueBytes, burstWrites, pacedWrites, pacedPerSecond, rows } = settings;
  const setup = { rounds, readers, valueBytes, burstWrites, pacedWrites, pacedPerSecond, rows };
  await keep('latest', { setup, systems: figures, sizes }, tablesOf);
}

async function compareStreams() {
  const figures = await inRounds(streamed, runStreamRound, (name, round, { fast, paced }) =>
    say(
      `round ${round}  ${name.padEnd(18)}stream in ${Math.round(fast.ms)} ms, ${fast.cpuMicrosPerDelivery.toFixed(2)} µs a delivery; ` +
        `${paced.bytesPerCharacter.toFixed(2)} bytes a character at ${settings.piecesPerSecond}/s`,
    ),
  );
  const { rounds, viewers, pieceLength, pieces, pacedPieces, piecesPerSecond } = settings;
  const setup = { rounds, viewers, pieceLength, pieces, pacedPieces, piecesPerSecond };
  const compared = Object.fromEntries(Object.entries(streamed).filter(([name]) => name !== 'y-websocket-whole'));
  const paused = await inRounds(compared, runPausedRound, (name, round, { queuedBytes }) =>
    say(`round ${round}  ${name.padEnd(18)}${(queuedBytes / 1e6).toFixed(2)} MB wait for a viewer that is paused`),
  );
  await keep('streams', { setup, systems: figures, paused }, (all) => `${streamTableOf(all)}\n\n${pausedTableOf(all)}`);
}

async function keep(name, figures, tables) {
  const result = { date: new Date().toISOString().slice(0, 10), machine: machine(), ...figures };
  const file = new URL(`results/${process.argv.includes('--quick') ? 'quick-' : ''}${name}.json`, import.meta.url);
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`\n${tables(result)}\n\nWritten to ${fileURLToPath(file)}\n`);
}
