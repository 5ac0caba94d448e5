import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { CotableError } from '../errors.ts';
import { concatBytes } from '../util/bytes.ts';

/** A message grows no larger than this unless a single frame is: peers refuse messages over 1 MiB. */
const MAX_MESSAGE_BYTES = 512 * 1024;

/** The frames of one message, in order. Each is a copy of its own. Throws `protocol.badFrame`. */
export function splitMessage(message: Uint8Array): Uint8Array[] {
  const input = decoding.createDecoder(message);
  const frames: Uint8Array[] = [];
  try {
    while (decoding.hasContent(input)) frames.push(decoding.readVarUint8Array(input).slice());
  } catch (error) {
    throw new CotableError('protocol.badFrame', { problem: error instanceof Error ? error.message : String(error) });
  }
  return frames;
}

/** Frames behind their lengths: a message. */
export function joinFrames(frames: readonly Uint8Array[]): Uint8Array {
  const out = encoding.createEncoder();
  for (const frame of frames) encoding.writeVarUint8Array(out, frame);
  return encoding.toUint8Array(out);
}

/**
 * Collects the frames that one turn brings for one link and sends them as one message (or a few, when they are many).
 * A message that is ready made is passed on as it is, so that members of a room share one buffer.
 */
export interface MessageBatch {
  frame(frame: Uint8Array): void;
  message(message: Uint8Array): void;
  /** The same, with what was collected before it, now. */
  messageNow(message: Uint8Array): void;
  /** Sends what was collected now. */
  flush(): void;
}

export function createMessageBatch(send: (message: Uint8Array) => void, soon: (run: () => void) => void): MessageBatch {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let scheduled = false;

  function flush(): void {
    const [first] = waiting;
    if (!first) return;
    // Messages are lists of frames, so several in a row are one.
    const message = waiting.length === 1 ? first : concatBytes(waiting);
    waiting = [];
    bytes = 0;
    send(message);
  }

  function add(message: Uint8Array): void {
    if (bytes + message.length > MAX_MESSAGE_BYTES) flush();
    waiting.push(message);
    bytes += message.length;
    if (scheduled) return;
    scheduled = true;
    soon(endTurn);
  }

  function endTurn(): void {
    scheduled = false;
    flush();
  }

  return {
    message: add,
    messageNow(message) {
      if (waiting.length === 0) return send(message);
      add(message);
      flush();
    },
    frame: (frame) => add(joinFrames([frame])),
    flush,
  };
}
