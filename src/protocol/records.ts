import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import { checksumOf } from '../util/checksum.ts';
import { readKey, readUpdates, writeKey, writeUpdates } from './codec.ts';
import type { TableUpdate } from './frames.ts';

/** An accepted mutation, as the log keeps it and as everybody but its author gets it. */
export interface EntryRecord {
  readonly kind: 'entry';
  readonly seq: number;
  readonly key: MutationKey;
  readonly writer: number;
  readonly number: number;
  readonly clock: number;
  /** The mutation's own updates, then what the relay wrote so that its documents equal the fold. */
  readonly updates: readonly TableUpdate[];
  readonly repairs: readonly TableUpdate[];
}

/** The same for the link it came over, which has the updates: the acknowledgement. */
export interface AckRecord {
  readonly kind: 'ack';
  readonly seq: number;
  readonly key: MutationKey;
  readonly repairs: readonly TableUpdate[];
}

export type LogRecord = EntryRecord | AckRecord;

/**
 * Records and snapshots end with a checksum of all that is before it: what a disk has changed since is no longer read, where a
 * value in a row would otherwise pass for another one.
 */
const CHECKSUM_BYTES = 4;

export function encodeRecord(record: LogRecord): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeUint8(out, record.kind === 'entry' ? 0 : 1);
  encoding.writeVarUint(out, record.seq);
  writeKey(out, record.key);
  if (record.kind === 'entry') {
    for (const number of [record.writer, record.number, record.clock]) encoding.writeVarUint(out, number);
    writeUpdates(out, record.updates);
  }
  writeUpdates(out, record.repairs);
  return withChecksum(out);
}

/** Throws `protocol.badFrame`. */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  try {
    const input = openChecked(bytes);
    const kind = decoding.readUint8(input);
    if (kind > 1) throw new Error(`there is no record of kind ${kind}`);
    const seq = decoding.readVarUint(input);
    const key = readKey(input);
    const record: LogRecord =
      kind === 1
        ? { kind: 'ack', seq, key, repairs: readUpdates(input) }
        : {
            kind: 'entry',
            seq,
            key,
            writer: decoding.readVarUint(input),
            number: decoding.readVarUint(input),
            clock: decoding.readVarUint(input),
            updates: readUpdates(input),
            repairs: readUpdates(input),
          };
    if (decoding.hasContent(input)) throw new Error('bytes are left over');
    return record;
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: `in a record: ${error instanceof Error ? error.message : String(error)}` });
  }
}

/** The documents of a room in one piece: what a snapshot carries. */
export function encodeTables(tables: readonly TableUpdate[]): Uint8Array {
  const out = encoding.createEncoder();
  writeUpdates(out, tables);
  return withChecksum(out);
}

/** Throws `protocol.badFrame`. */
export function decodeTables(bytes: Uint8Array): readonly TableUpdate[] {
  try {
    const input = openChecked(bytes);
    const tables = readUpdates(input);
    if (decoding.hasContent(input)) throw new Error('bytes are left over');
    return tables;
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: `in a snapshot: ${error instanceof Error ? error.message : String(error)}` });
  }
}

function withChecksum(out: encoding.Encoder): Uint8Array {
  encoding.writeUint32(out, 0);
  const bytes = encoding.toUint8Array(out);
  const end = bytes.length - CHECKSUM_BYTES;
  const sum = checksumOf(bytes, end);
  for (let n = 0; n < CHECKSUM_BYTES; n++) bytes[end + n] = sum >>> (8 * n);
  return bytes;
}

/** A reader of what is before the checksum. */
function openChecked(bytes: Uint8Array): decoding.Decoder {
  const end = bytes.length - CHECKSUM_BYTES;
  if (!(end >= 0)) throw new Error('it is cut off');
  let sum = checksumOf(bytes, end);
  for (let n = 0; n < CHECKSUM_BYTES; n++, sum >>>= 8) if (bytes[end + n] !== (sum & 255)) throw new Error('its checksum is another');
  return decoding.createDecoder(bytes.subarray(0, end));
}
