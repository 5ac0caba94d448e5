import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
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
  return encoding.toUint8Array(out);
}

/** Throws `protocol.badFrame`. */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  const input = decoding.createDecoder(bytes);
  try {
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
  return encoding.toUint8Array(out);
}

/** Throws `protocol.badFrame`. */
export function decodeTables(bytes: Uint8Array): readonly TableUpdate[] {
  try {
    return readUpdates(decoding.createDecoder(bytes));
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: `in a snapshot: ${error instanceof Error ? error.message : String(error)}` });
  }
}
