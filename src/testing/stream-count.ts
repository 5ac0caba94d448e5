import { splitMessage } from '../protocol/message.ts';
import { STREAM_TYPES } from '../protocol/stream-codec.ts';
import type { Kind } from './report.ts';

const COUNTED = new Map<number | undefined, Kind>([
  [STREAM_TYPES.stream, 'streams'],
  [STREAM_TYPES.delta, 'pieces'],
  [STREAM_TYPES.resume, 'resumes'],
]);

/** Counts what a message that has arrived says of streams. A frame's type is its second byte. */
export function countStreams(message: Uint8Array, count: (kind: Kind) => void): void {
  for (const frame of splitMessage(message)) {
    const kind = COUNTED.get(frame[1]);
    if (kind) count(kind);
  }
}
