import * as encoding from 'lib0/encoding';
import type { JsonValue } from '../util/json.ts';
import type { Intent } from './frames.ts';

/** Room for a frame's numbers, and for what Yjs writes around each cell (ids, origin, delete set). */
const FRAME_OVERHEAD = 128;
const CELL_OVERHEAD = 64;

/** An upper bound of the bytes of a mutation's frame, before anything is written. */
export function measureMutation(
  name: string,
  changes: ReadonlyMap<string, ReadonlyMap<string, readonly JsonValue[] | undefined>>,
  intents: readonly Intent[],
): number {
  const out = encoding.createEncoder();
  encoding.writeVarString(out, name);
  let cells = 0;
  for (const [table, written] of changes) {
    for (const [key, cell] of written) {
      cells += 1;
      encoding.writeVarString(out, key);
      // The table's name is written with each first cell of a key.
      encoding.writeVarString(out, table);
      if (cell) encoding.writeAny(out, cell as encoding.AnyEncodable);
    }
  }
  for (const intent of intents) {
    encoding.writeVarString(out, intent.name);
    encoding.writeVarString(out, intent.input);
  }
  return encoding.length(out) + cells * CELL_OVERHEAD + FRAME_OVERHEAD;
}
