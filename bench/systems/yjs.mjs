// What the two systems that carry plain Yjs have in common.
import * as Y from 'yjs';

export const SYNC = 0;
export const STEP_1 = 0;
export const STEP_2 = 1;
export const UPDATE = 2;

/** Step 1 of the sync protocol, from a document that has nothing. */
export const ASK_FOR_ALL = [STEP_1, 1, 0];

export function createDocument() {
  const doc = new Y.Doc();
  const rows = doc.getMap('rows');
  return {
    doc,
    rows,
    async holds(count) {
      if (rows.size < count) {
        await new Promise((whole) => {
          const look = () => {
            if (rows.size < count) return;
            doc.off('update', look);
            whole();
          };
          doc.on('update', look);
        });
      }
      if (rows.size !== count) throw new Error(`${rows.size} rows instead of ${count}`);
    },
  };
}
