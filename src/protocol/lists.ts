import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';

/** Bounds the lists of one frame: a length is checked before anything is made for it. */
const MAX_ITEMS = 100_000;

export function writeList<T>(out: encoding.Encoder, items: readonly T[], write: (out: encoding.Encoder, item: T) => void): void {
  encoding.writeVarUint(out, items.length);
  for (const item of items) write(out, item);
}

export function readList<T>(input: decoding.Decoder, read: (input: decoding.Decoder) => T, limit = MAX_ITEMS): T[] {
  const length = decoding.readVarUint(input);
  // Each item takes at least one byte, so a longer list is a lie.
  if (length > limit || length > input.arr.length - input.pos) throw new Error(`a list of ${length} items does not fit`);
  return Array.from({ length }, () => read(input));
}
