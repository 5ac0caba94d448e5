import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import type { OpenLink, Wire } from '../link/connector.ts';
import { CONTROL_TYPES, readControlFrame, writeControlFrame } from '../protocol/control-codec.ts';
import { PROTOCOL_VERSION, type AuthFrame, type FailedFrame, type GrantFrame, type PingFrame, type PongFrame } from '../protocol/frames.ts';
import { readStreamFrame, STREAM_TYPES, writeStreamFrame } from '../protocol/stream-codec.ts';
import type { DeltaFrame, ResumeFrame, StreamEndFrame, StreamFrame, StreamGoneFrame, StreamsFrame } from '../protocol/stream-frames.ts';
import { decodeSyncFrame, encodeSyncFrame } from '../protocol/sync-codec.ts';
import type { SyncClientFrame, SyncRelayFrame } from '../protocol/sync-frames.ts';

/** What is told of streams. */
export type StreamNews = StreamsFrame | StreamFrame | DeltaFrame | StreamEndFrame | StreamGoneFrame;
type Said = SyncClientFrame | ResumeFrame | AuthFrame;
type Heard = SyncRelayFrame | StreamNews | GrantFrame | PongFrame;

export type EventLink = OpenLink<Said>;

/** What a link without tables says and hears: a part of all frames, so that a page of events alone carries no more than that. */
export const eventWire: Wire<Said, Heard> = {
  encode(frame) {
    if (frame.type !== 'resume' && frame.type !== 'auth' && frame.type !== 'ping') return encodeSyncFrame(frame);
    return encodeOther(frame);
  },
  decode(bytes) {
    const frame = decodeSyncFrame(bytes) ?? decodeOther(bytes);
    switch (frame.type) {
      case 'enter':
      case 'listen':
      case 'sync':
      case 'drop':
      case 'resume':
      case 'auth':
      case 'ping':
        throw new CotableError('protocol.badFrame', { problem: `a relay does not send ${frame.type}` });
      default:
        return frame;
    }
  },
};

function encodeOther(frame: ResumeFrame | AuthFrame | PingFrame): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeUint8(out, PROTOCOL_VERSION);
  if (frame.type === 'resume') {
    encoding.writeUint8(out, STREAM_TYPES.resume);
    writeStreamFrame(out, frame);
  } else {
    encoding.writeUint8(out, CONTROL_TYPES[frame.type]);
    writeControlFrame(out, frame);
  }
  return encoding.toUint8Array(out);
}

function decodeOther(bytes: Uint8Array): StreamNews | ResumeFrame | AuthFrame | PingFrame | PongFrame | GrantFrame | FailedFrame {
  const input = decoding.createDecoder(bytes);
  const version = decoding.readUint8(input);
  if (version !== PROTOCOL_VERSION) throw new CotableError('protocol.unsupportedVersion', { mine: PROTOCOL_VERSION, theirs: version });
  const type = decoding.readUint8(input);
  const frame = readControlFrame(input, type) ?? readStreamFrame(input, type);
  if (!frame) throw new CotableError('protocol.badFrame', { problem: `there is no frame of type ${type}` });
  return frame;
}
