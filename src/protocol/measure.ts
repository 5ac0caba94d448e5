import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import type { JsonValue } from '../util/json.ts';
import type { Intent } from './frames.ts';
import { MAX_FRAME_BYTES } from './limits.ts';

/** Room for a frame's numbers, and for what Yjs writes around each cell (ids, origin, delete set). */
const FRAME_OVERHEAD = 128;
const CELL_OVERHEAD = 64;

/** Throws `mutation.tooLarge` for what does not fit into a frame. */
export function checkFrameSize(...[name, changes, intents]: Parameters<typeof measureMutation>): void {
  const size = measureMutation(name, changes, intents);
  if (size > MAX_FRAME_BYTES) throw new CotableError('mutation.tooLarge', { name, size, unit: 'bytes', limit: MAX_FRAME_BYTES });
}

/** An upper bound of the bytes of a mutation's frame, before anything is written. */
function measureMutation(
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
    const texts = 'cancel' in intent ? ['', intent.cancel] : [intent.name, intent.input, intent.key];
    for (const text of texts) encoding.writeVarString(out, text);
    if (!('cancel' in intent)) encoding.writeVarUint(out, intent.notBefore);
  }
  return encoding.length(out) + cells * CELL_OVERHEAD + FRAME_OVERHEAD;
}
