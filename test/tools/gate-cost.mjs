// npm run bench -- --gate: what the gate costs beside the apply that it protects, and what refusing costs. It stands here
// because it measures parts of the package, and nothing that the bench compares with it.
import { readdir, readFile } from 'node:fs/promises';
import { createGateProbe } from 'cotable/testing';
import * as decoding from 'lib0/decoding';
import * as Y from 'yjs';

const CLOCK = 1_700_000_000_000 * 1024;
const TEXT = 'x'.repeat(200);
const ROUNDS = 11;
/** Each attack is refused so often that its cost can be seen. */
const TIMES = 20;
const medianOf = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Updates of one writer, as a store makes them: `cells` for each gives what it writes. */
function updatesOf(count, cellsOf) {
  const doc = new Y.Doc();
  doc.clientID = 5;
  const updates = [];
  doc.on('update', (bytes) => updates.push(bytes));
  for (let index = 0; index < count; index++) {
    doc.transact(() => {
      for (const [key, cell] of cellsOf(index)) doc.getMap('notes').set(key, cell);
    });
  }
  return updates;
}

const row = (id) => [id, [CLOCK, { id, text: TEXT }]];
const loads = {
  'a new row of 200 characters': updatesOf(5_000, (index) => [row(`row-${index}`)]),
  'an edit of one field, 100 rows': updatesOf(5_000, (index) => [[`row-${index % 100}\u001ftext`, [CLOCK, `${index} ${TEXT}`]]]),
  '100 new rows in one': updatesOf(300, (index) => Array.from({ length: 100 }, (_, at) => row(`row-${index}-${at}`))),
};

/** Microseconds of CPU for each update, all threads: garbage is a part of what things cost. */
function measure(updates, withGate) {
  const probe = createGateProbe('notes');
  const began = process.cpuUsage();
  for (const update of updates) {
    if (withGate) probe.judge(5, CLOCK, update);
    probe.apply(update);
  }
  const { user, system } = process.cpuUsage(began);
  return (user + system) / updates.length;
}

/** Tells as it goes on, and resolves with the figures: microseconds an update, and milliseconds of the dearest attack. */
export async function measureGate(say) {
  const figures = {};
  for (const [name, updates] of Object.entries(loads)) {
    // The first rounds are for the compiler.
    const rounds = Array.from({ length: ROUNDS + 2 }, () => ({ both: measure(updates, true), apply: measure(updates, false) })).slice(2);
    const apply = medianOf(rounds.map((round) => round.apply));
    const gate = medianOf(rounds.map((round) => round.both)) - apply;
    figures[name] = { gate, apply, ratio: gate / apply };
    say(`${name}: gate ${gate.toFixed(2)} µs, apply ${apply.toFixed(2)} µs, ratio ${(gate / apply).toFixed(2)}`);
  }
  const attacks = await measureAttacks();
  say(`${attacks.count} attacks; the dearest, ${attacks.dearest}, takes ${attacks.ms.toFixed(2)} ms to refuse`);
  return { figures, attacks };
}

/** The attacks of the corpus that reach the gate. */
async function measureAttacks() {
  const corpus = new URL('../attacks/corpus/', import.meta.url);
  const worst = { count: 0, dearest: '', ms: 0 };
  for (const file of await readdir(corpus)) {
    const attack = JSON.parse(await readFile(new URL(file, corpus), 'utf8'));
    if (attack.code !== 'protocol.gateRefused') continue;
    worst.count += 1;
    const probe = createGateProbe('notes');
    for (const before of attack.before) probe.apply(updateIn(before));
    const update = updateIn(attack.message);
    const began = process.cpuUsage();
    for (let time = 0; time < TIMES; time++) {
      try {
        probe.judge(88, CLOCK, update);
      } catch {
        continue;
      }
    }
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1_000 / TIMES;
    if (ms > worst.ms) Object.assign(worst, { dearest: file.replace('.json', ''), ms });
  }
  return worst;
}

/** The update in a message of one `mutate` frame. */
function updateIn(base64) {
  const frame = decoding.readVarUint8Array(decoding.createDecoder(Buffer.from(base64, 'base64')));
  const input = decoding.createDecoder(frame.subarray(2));
  for (let skipped = 0; skipped < 7; skipped++) decoding.readVarUint(input);
  decoding.readVarString(input);
  decoding.readVarUint(input);
  decoding.readVarUint(input);
  decoding.readVarString(input);
  return decoding.readVarUint8Array(input);
}
