import * as Y from 'yjs';

/** A document of rows, as lean as Yjs can have them: one map, a text at each key. */
export function createDocument() {
  const doc = new Y.Doc();
  const rows = doc.getMap('rows');
  return {
    doc,
    rows,
    /** Waits until there are so many rows. */
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

/** Neither system tells when the server has everything, so a second client looks whether all is there. */
export async function settled(open, count) {
  const other = await open();
  await other.holds(count);
  other.close();
}
