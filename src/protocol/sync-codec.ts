import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import { PROTOCOL_VERSION } from './frames.ts';
import { readPlaces, writePlaces } from './stream-codec.ts';
import type { AnySyncFrame } from './sync-frames.ts';

/** The byte that stands for each type. Never given to another one, here or in `codec.ts`. */
const TYPES = { enter: 48, listen: 49, sync: 50, drop: 51, entered: 52, taken: 53, answer: 54, event: 55 } as const;

const KNOWN: ReadonlySet<number> = new Set(Object.values(TYPES));

/** Apart from the other frames, so that a page without events does not carry them. */
export function encodeSyncFrame(frame: AnySyncFrame): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeUint8(out, PROTOCOL_VERSION);
  encoding.writeUint8(out, TYPES[frame.type]);
  switch (frame.type) {
    case 'enter':
      for (const text of [frame.room, frame.userId, frame.token]) encoding.writeVarString(out, text);
      writePlaces(out, frame.streams);
      break;
    case 'entered':
      for (const text of [frame.userId, frame.sessionId]) encoding.writeVarString(out, text);
      encoding.writeVarUint(out, frame.now);
      break;
    case 'listen':
      encoding.writeUint8(out, frame.isOn ? 1 : 0);
      break;
    case 'sync':
      for (const text of [frame.request, frame.name, frame.version, frame.data, frame.locale]) encoding.writeVarString(out, text);
      encoding.writeUint8(out, (frame.ignoreSelf ? 1 : 0) | (frame.requireReceivers ? 2 : 0));
      break;
    case 'drop':
      encoding.writeVarString(out, frame.request);
      break;
    case 'taken':
      for (const text of [frame.request, frame.run]) encoding.writeVarString(out, text);
      break;
    case 'answer':
      for (const text of [frame.request, frame.body]) encoding.writeVarString(out, text);
      break;
    case 'event':
      for (const text of [frame.run, frame.serverOutput, frame.clientOutput]) encoding.writeVarString(out, text);
  }
  return encoding.toUint8Array(out);
}

/** Reads one frame to its last byte; `undefined`: it is no frame of events. Throws `protocol.badFrame`. */
export function decodeSyncFrame(bytes: Uint8Array): AnySyncFrame | undefined {
  // Of another version, or no frame at all: that is for who reads the others.
  if (bytes[0] !== PROTOCOL_VERSION || !KNOWN.has(bytes[1] ?? 0)) return undefined;
  const input = decoding.createDecoder(bytes);
  input.pos = 2;
  try {
    const frame = readBody(input, bytes[1] ?? 0);
    if (decoding.hasContent(input)) throw new Error('bytes are left over');
    return frame;
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: error instanceof Error ? error.message : String(error) });
  }
}

function readBody(input: decoding.Decoder, type: number): AnySyncFrame {
  const text = (): string => decoding.readVarString(input);
  switch (type) {
    case TYPES.enter:
      return { type: 'enter', room: text(), userId: text(), token: text(), streams: readPlaces(input) };
    case TYPES.entered:
      return { type: 'entered', userId: text(), sessionId: text(), now: decoding.readVarUint(input) };
    case TYPES.listen:
      return { type: 'listen', isOn: decoding.readUint8(input) === 1 };
    case TYPES.sync: {
      const [request, name, version, data, locale] = [text(), text(), text(), text(), text()];
      const flags = decoding.readUint8(input);
      return { type: 'sync', request, name, version, data, locale, ignoreSelf: (flags & 1) > 0, requireReceivers: (flags & 2) > 0 };
    }
    case TYPES.drop:
      return { type: 'drop', request: text() };
    case TYPES.taken:
      return { type: 'taken', request: text(), run: text() };
    case TYPES.answer:
      return { type: 'answer', request: text(), body: text() };
    default:
      return { type: 'event', run: text(), serverOutput: text(), clientOutput: text() };
  }
}
