import * as Y from 'yjs';

/** A text of five characters of which the update has one: the others belong to whoever uses the rest of the buffer. */
const WHOLE = [1, 1, 5, 0, 0x28, 1, 1, 110, 1, 120, 1, 119, 5, 97, 98, 99, 100, 101, 0];
const MISSING = 5;

/**
 * Throws when Yjs stands on a lib0 that reads beyond its input (before 0.2.118): bytes of other requests would get into
 * documents. It is asked by what it does, since Yjs may have another copy of lib0 than Cotable.
 */
export function assertBoundedReads(): void {
  const doc = new Y.Doc();
  const map = doc.getMap('n');
  try {
    Y.applyUpdate(doc, new Uint8Array(WHOLE).subarray(0, -MISSING));
  } catch {
    // That is as it should be.
  }
  const isWell = map.size === 0;
  doc.destroy();
  if (!isWell) throw new Error('Yjs uses a lib0 that reads beyond its input: install lib0 0.2.118 or later for it');
}
