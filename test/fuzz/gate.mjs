// Spoilt updates against the gate, and what it lets pass against an independent decoder and Yjs itself.
import { isDeepStrictEqual } from 'node:util';
import { isCotableError } from 'cotable';
import { createGateProbe } from 'cotable/testing';
import * as Y from 'yjs';
import { assertAllHappened, createSpoiler, diceOf } from './mutations.mjs';
import { decodeIndependently, makeScenes } from './scenes.mjs';

const SCENES = 200;
/** As many frames of a hundred have to get through, or the last rules are hardly met. */
const LEAST_ACCEPTED = 0.05;

/** Resolves with what was done. Throws at the first thing that is wrong, with the frame that did it. */
export async function fuzzGate({ frames, seed }) {
  const dice = diceOf(seed);
  const spoiler = createSpoiler(dice);
  const scenes = makeScenes(dice, SCENES).map((scene) => {
    const probe = createGateProbe('notes', 2 ** 40);
    for (const update of scene.before) probe.apply(update);
    probe.judge(scene.writer, scene.clock, scene.update);
    return { ...scene, probe };
  });
  const counts = { anotherWriter: 0, anotherClock: 0 };
  const rules = {};
  let accepted = 0;
  for (let index = 0; index < frames; index++) {
    const scene = scenes[Math.floor(dice() * SCENES)];
    const bytes = spoiler.spoil(scene.update, scenes[index % SCENES].update);
    const chance = dice();
    const writer = chance < 0.005 ? 12 : scene.writer;
    const clock = chance > 0.995 ? scene.clock + 1 : scene.clock;
    if (writer !== scene.writer) counts.anotherWriter += 1;
    if (clock !== scene.clock) counts.anotherClock += 1;
    try {
      const verdict = judge(scene.probe, writer, clock, bytes, rules);
      if (!verdict) continue;
      accepted += 1;
      check(scene, clock, bytes, verdict);
    } catch (error) {
      const frame = Buffer.from(bytes).toString('base64');
      throw new Error(`gate seed=${seed} frame=${index} writer=${writer} clock=${clock} update=${frame}: ${error.message}`, {
        cause: error,
      });
    }
    // Others want their turn.
    if (index % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const injected = { ...spoiler.counts, ...counts };
  assertAllHappened(injected);
  if (accepted < frames * LEAST_ACCEPTED)
    throw new Error(`gate seed=${seed}: only ${accepted} of ${frames} frames got as far as the last rule`);
  return { seed, frames, accepted, refused: frames - accepted, rules: Object.keys(rules).length, ...injected, wrong: 0, crashes: 0 };
}

function judge(probe, writer, clock, bytes, rules) {
  try {
    return probe.judge(writer, clock, bytes);
  } catch (error) {
    if (!isCotableError(error, 'protocol.gateRefused')) throw error;
    rules[error.params.rule] = true;
    return undefined;
  }
}

function check(scene, clock, bytes, { writes, touched }) {
  const independent = decodeIndependently(scene, bytes);
  if (!isDeepStrictEqual(writes, independent.writes)) throw new Error('another effect than the independent decoder reads');
  if (!isDeepStrictEqual([...touched].toSorted(), [...independent.touched].toSorted())) throw new Error('other cells are touched');
  for (const [cellClock] of writes.values()) if (cellClock !== clock) throw new Error('a cell of another clock');

  const doc = new Y.Doc();
  const map = doc.getMap('notes');
  Y.applyUpdate(doc, scene.state);
  let heard = 0;
  doc.on('update', () => (heard += 1));
  const changed = new Set();
  map.observe(({ keysChanged }) => keysChanged.forEach((key) => changed.add(key)));
  Y.applyUpdate(doc, bytes);
  for (const key of changed) if (!touched.has(key)) throw new Error(`cell ${key} changed, and is not touched`);
  const { store, share } = doc;
  if (store.pendingStructs || store.pendingDs || share.size !== 1 || doc._transactionCleanups.length > 0)
    throw new Error('the document is not well');
  // Those that join later must read what it is now, and it must still be able to speak.
  const fresh = new Y.Doc();
  Y.applyUpdate(fresh, Y.encodeStateAsUpdate(doc));
  if (!isDeepStrictEqual(fresh.getMap('notes').toJSON(), map.toJSON())) throw new Error('a fresh document reads something else');
  heard = 0;
  map.set('afterwards', [clock]);
  if (heard !== 1) throw new Error('the document is mute');
}
