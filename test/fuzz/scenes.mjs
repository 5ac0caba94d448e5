// Documents as rooms have them, each with an update that is right. Made by Yjs itself.
import * as Y from 'yjs';

const FIELD = '\u001f';

/** Updates that are there, the next one, and who writes it. `keyOf` gives the key of each item that is there. */
function makeScene(dice) {
  const below = (limit) => Math.floor(dice() * limit);
  const docs = [11, 5_000_000_000, 300].map((writer) => {
    const doc = new Y.Doc();
    doc.clientID = writer;
    return doc;
  });
  const keyOf = new Map();
  const before = [];
  let clock = 1_700_000_000_000 * 1024;

  function write(doc, count) {
    clock += 1 + below(5);
    let update;
    const listen = (bytes) => (update = bytes);
    doc.on('update', listen);
    const map = doc.getMap('notes');
    doc.transact(() => {
      const keys = new Set(Array.from({ length: count }, () => `row${below(4)}${dice() < 0.5 ? '' : `${FIELD}field${below(3)}`}`));
      for (const key of keys) {
        if (map.has(key) && dice() < 0.25) map.delete(key);
        else if (key.includes(FIELD)) map.set(key, dice() < 0.2 ? [clock] : [clock, valueOf(dice)]);
        else map.set(key, dice() < 0.2 ? [clock] : [clock, { id: key, text: 'some text here', list: [1, { deep: valueOf(dice) }] }]);
      }
    });
    doc.off('update', listen);
    return update;
  }

  function learn(update) {
    for (const struct of Y.decodeUpdate(update).structs) {
      const key = struct.parentSub ?? keyOf.get(`${struct.origin.client} ${struct.origin.clock}`);
      keyOf.set(`${struct.id.client} ${struct.id.clock}`, key);
    }
  }

  for (let count = 2 + below(6); count > 0; count--) {
    const doc = docs[below(docs.length)];
    const update = write(doc, 1 + below(3));
    if (!update) continue;
    learn(update);
    before.push(update);
    // Some hear of it later, so that some write beside each other.
    for (const other of docs) if (other !== doc && dice() < 0.6) before.forEach((one) => Y.applyUpdate(other, one));
  }
  const doc = docs[below(docs.length)];
  // A writer knows at least its own.
  const update = write(doc, 1 + below(4));
  if (!update || doc.store.pendingStructs) return makeScene(dice);
  const base = new Y.Doc();
  base.getMap('notes');
  for (const one of before) Y.applyUpdate(base, one);
  if (base.store.pendingStructs || base.store.pendingDs) return makeScene(dice);
  const state = Y.encodeStateAsUpdate(base);
  return { before, state, update, writer: doc.clientID, clock, keyOf };
}

function valueOf(dice) {
  return [null, true, false, 7, -1.5, 'words', { in: 'object' }, ['a', 2]][Math.floor(dice() * 8)];
}

export function makeScenes(dice, count) {
  return Array.from({ length: count }, () => makeScene(dice));
}

/** What an update writes and touches, by Yjs' own decoder and the table of who lies where. */
export function decodeIndependently({ keyOf }, update) {
  const { structs, ds } = Y.decodeUpdate(update);
  const writes = new Map();
  const touched = new Set();
  for (const struct of structs) {
    const key = struct.parentSub ?? keyOf.get(`${struct.origin?.client} ${struct.origin?.clock}`);
    if (key === undefined || struct.content?.arr?.length !== 1) throw new Error('an item that is no cell passed');
    writes.set(key, struct.content.arr[0]);
    touched.add(key);
  }
  for (const [client, ranges] of ds.clients) {
    for (const { clock, len } of ranges) {
      for (let at = clock; at < clock + len; at++) {
        const key = keyOf.get(`${client} ${at}`);
        if (key === undefined) throw new Error('an unknown item is taken out');
        touched.add(key);
      }
    }
  }
  return { writes, touched };
}

/** The first update of a writer: some rows and edits, at keys that others write to as well. */
export function updateOf(writer, clock, dice) {
  const doc = new Y.Doc();
  doc.clientID = writer;
  doc.transact(() => {
    for (let count = 1 + Math.floor(dice() * 4); count > 0; count--) {
      const id = `row${Math.floor(dice() * 7)}`;
      if (dice() < 0.7) doc.getMap('notes').set(id, [clock, { id, text: 'some text here' }]);
      else doc.getMap('notes').set(`${id}${FIELD}text`, [clock, 'another text']);
    }
  });
  return Y.encodeStateAsUpdate(doc);
}
