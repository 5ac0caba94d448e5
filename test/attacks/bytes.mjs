// Frames and Yjs updates by hand, sharing no code with the product. Attackers choose each byte.
import * as encoding from 'lib0/encoding';

const encoded = (write) => {
  const out = encoding.createEncoder();
  write(out);
  return encoding.toUint8Array(out);
};

/** A frame of protocol version 1. */
const frame = (type, write) =>
  encoded((out) => {
    encoding.writeUint8(out, 1);
    encoding.writeUint8(out, type);
    write(out);
  });

const numbers = (out, list) => list.forEach((number) => encoding.writeVarUint(out, number));
const texts = (out, list) => list.forEach((text) => encoding.writeVarString(out, text));

/** The room that every attack is on: its birth is known. Clocks may lie in the past. */
export const birth = { lineage: 7, epoch: 1 };
export const clock = 1_700_000_000_000 * 1024;
/** One that a store picks: small ones have to be leased. */
export const writer = 2 ** 31 + 88;

export const hello = ({ user = 'eve', by = writer, replica = 77, room = 'room' } = {}) =>
  frame(1, (out) => {
    numbers(out, [1]);
    texts(out, [room, user, '']);
    numbers(out, [0, 0, 0, replica, by, 0, 0, 0]);
  });

export const mutate = (update, { number = 1, by = writer, table = 'notes', at = clock, replica = 77, copies = 1 } = {}) =>
  frame(2, (out) => {
    numbers(out, [birth.lineage, birth.epoch, by, number, replica, number, at]);
    texts(out, ['write']);
    numbers(out, [0, copies]);
    for (let copy = 0; copy < copies; copy++) {
      texts(out, [table]);
      encoding.writeVarUint8Array(out, update);
    }
  });

export const bye = (by, last) => frame(6, (out) => numbers(out, [by, last]));

/** A frame that only a relay sends. */
export const fromRelay = (type, list) => frame(type, (out) => texts(out, list));

/** A message of frames. */
export const message = (...frames) => encoded((out) => frames.forEach((one) => encoding.writeVarUint8Array(out, one)));

export const uint = (number) => encoded((out) => encoding.writeVarUint(out, number));
export const text = (string) => encoded((out) => encoding.writeVarString(out, string));
export const any = (value) => encoded((out) => encoding.writeAny(out, value));
export const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

/** A row cell. */
export const row = (id, fields = { id, text: '' }, at = clock) => any([at, fields]);

/** An item at the beginning of a key. `value`: what stands behind the count of values. */
export const head = (key, value = row(key), { map = 'notes', count = 1, kind = 8, parentInfo = 1 } = {}) =>
  join([kind | (key === undefined ? 0 : 0x20)], uint(parentInfo), text(map), key === undefined ? [] : text(key), uint(count), value);

/** An item behind another one. */
export const behind = ([client, at], value, { right } = {}) =>
  join([8 | 0x20 | 0x80 | (right ? 0x40 : 0)], uint(client), uint(at), right ? join(uint(right[0]), uint(right[1])) : [], uint(1), value);

export const block = (items, { by = writer, from = 0, count = items.length } = {}) => join(uint(count), uint(by), uint(from), ...items);

/** `deletes`: for each client its ranges, as they are to be written. */
export const update = (blocks, deletes = []) =>
  join(
    uint(blocks.length),
    ...blocks,
    uint(deletes.length),
    ...deletes.map(([client, ranges]) => join(uint(client), uint(ranges.length), ...ranges.map(([at, len]) => join(uint(at), uint(len))))),
  );
