// npm run fuzz                                                  5,000,000 frames at the gate, 200,000 at a live relay
// npm run fuzz -- --seed 3 --frames 500000 --relay-frames 0     less of it; one line each, and exit code 1 when something is wrong
import { parseArgs } from 'node:util';
import { fuzzGate } from '../fuzz/gate.mjs';
import { fuzzRelay } from '../fuzz/relay.mjs';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, frames: { type: 'string' }, 'relay-frames': { type: 'string' }, stack: { type: 'boolean' } },
});
const seed = Number(values.seed ?? 1);

// Nearly every frame is refused by an error, whose stack nobody reads.
if (!values.stack) Error.stackTraceLimit = 0;

// What the product does not catch is a crash.
process.on('unhandledRejection', fail);
process.on('uncaughtException', fail);

try {
  for (const [name, fuzz, frames] of [
    ['gate', fuzzGate, Number(values.frames ?? 5_000_000)],
    ['relay', fuzzRelay, Number(values['relay-frames'] ?? 200_000)],
  ]) {
    if (frames > 0) console.log(`${name} ${lineOf(await fuzz({ frames, seed }))}`);
  }
} catch (error) {
  fail(error);
}
process.exit();

function lineOf(report) {
  return Object.entries(report)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

function fail(error) {
  console.error(values.stack ? error : `seed=${seed}: ${error.message}`);
  process.exit(1);
}
