import type { CotableError, Transport } from 'cotable';
import type { RelayStorage } from 'cotable/relay';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { TYPES } from '../wire/raw-link.ts';

/** What a store sent, read without any code of the product. */
export type Sent = SentHello | SentMutation | { readonly type: 'other' };

export interface SentHello {
  readonly type: 'hello';
  readonly replica: number;
  readonly writer: number;
  readonly fence: readonly number[];
  /** Each mutation of the outbox, as its receipt names it. */
  readonly outbox: readonly string[];
}

export interface SentMutation {
  readonly type: 'mutate';
  readonly id: string;
  readonly writer: number;
  readonly number: number;
  readonly clock: number;
}

/** A store's way to a relay, with somebody on it who listens, and who can hold up what the store sends. */
export interface Tap {
  readonly transport: Transport;
  /** All links so far, the newest last. */
  readonly links: readonly TappedLink[];
  /** What was sent over all of them. */
  sent(): readonly Sent[];
  /** While this is on, what a link sends after its hello stays in its socket, and so does its end: the relay learns of neither. */
  stall(isStalled: boolean): void;
  /** While this is on, nothing that the relay says reaches the store. */
  deafen(isDeaf: boolean): void;
}

export interface TappedLink {
  readonly sent: readonly Sent[];
  /** The writer that the relay gave it. */
  readonly writer: number | undefined;
  /** What stayed in the socket arrives after all. */
  deliver(): void;
}

export function tap(transport: Transport): Tap {
  const links: TappedLink[] = [];
  let isStalled = false;
  let isDeaf = false;
  return {
    links,
    sent: () => links.flatMap((link) => link.sent),
    stall: (stalled) => void (isStalled = stalled),
    deafen: (deaf) => void (isDeaf = deaf),
    transport: {
      available: (listener) => transport.available?.(listener) ?? (() => undefined),
      connect(events) {
        const sent: Sent[] = [];
        const held: Uint8Array[] = [];
        let isOver = false;
        const heard: Uint8Array[] = [];
        let writer: number | undefined;
        const hear = (): void => {
          const [frame] = heard.splice(0, 1);
          if (!frame || isOver || isDeaf) return;
          if (frame[1] === TYPES.welcome) writer = welcomeIn(decoding.createDecoder(frame.subarray(2))).writer;
          events.message(joinFrames([frame]));
        };
        const ended = (reason?: CotableError): void => {
          if (isOver) return;
          isOver = true;
          events.closed(reason);
        };
        const link = transport.connect({
          opened: events.opened,
          // Each frame in a turn of its own, so that what it brings about is over when the next one comes.
          message(message) {
            for (const frame of splitMessage(message)) {
              heard.push(frame);
              setImmediate(hear);
            }
          },
          closed: ended,
        });
        links.push({
          sent,
          get writer() {
            return writer;
          },
          deliver() {
            for (const message of held.splice(0)) link.send(message);
          },
        });
        return {
          get buffered() {
            return link.buffered;
          },
          send(message) {
            const frames = splitMessage(message).map(readFrame);
            sent.push(...frames);
            if (isStalled && !frames.some(({ type }) => type === 'hello')) held.push(message.slice());
            else link.send(message);
          },
          close(reason) {
            if (isStalled || held.length > 0) ended(reason);
            else link.close(reason);
          },
        };
      },
    },
  };
}

function splitMessage(message: Uint8Array): readonly Uint8Array[] {
  const input = decoding.createDecoder(message);
  const frames: Uint8Array[] = [];
  while (decoding.hasContent(input)) frames.push(decoding.readVarUint8Array(input).slice());
  return frames;
}

function joinFrames(frames: readonly Uint8Array[]): Uint8Array {
  const out = encoding.createEncoder();
  for (const frame of frames) encoding.writeVarUint8Array(out, frame);
  return encoding.toUint8Array(out);
}

function readFrame(frame: Uint8Array): Sent {
  const input = decoding.createDecoder(frame.subarray(2));
  const numbers = (count: number): number[] => Array.from({ length: count }, () => decoding.readVarUint(input));
  if (frame[1] === TYPES.hello) {
    numbers(1);
    for (let texts = 0; texts < 3; texts++) decoding.readVarString(input);
    const [, , , replica = 0, writer = 0] = numbers(5);
    const fence = numbers(decoding.readVarUint(input));
    const outbox: string[] = [];
    for (let ranges = decoding.readVarUint(input); ranges > 0; ranges--) {
      const [name = 0, from = 0, to = 0] = numbers(3);
      for (let counter = from; counter <= to; counter++) outbox.push(idOf(name, counter));
    }
    return { type: 'hello', replica, writer, fence, outbox };
  }
  if (frame[1] !== TYPES.mutate) return { type: 'other' };
  const [, , writer = 0, number = 0, replica = 0, counter = 0, clock = 0] = numbers(7);
  return { type: 'mutate', id: idOf(replica, counter), writer, number, clock };
}

/** An entry of a room's log. */
export interface Entry {
  readonly id: string;
  readonly writer: number;
  readonly clock: number;
  /** How many tables its mutation wrote to. */
  readonly writes: number;
}

export async function entriesOf(storage: RelayStorage): Promise<readonly Entry[]> {
  return (await storage.entries('room', 0, 100_000)).map(({ bytes }) => {
    const input = decoding.createDecoder(bytes);
    decoding.readUint8(input);
    const [, replica = 0, counter = 0, writer = 0, , clock = 0, writes = 0] = Array.from({ length: 7 }, () => decoding.readVarUint(input));
    return { id: idOf(replica, counter), writer, clock, writes };
  });
}

export function idOf(replica: number, counter: number): string {
  return `${replica.toString(36)}-${counter}`;
}

/** A link of nobody's store: it sends the frames that it is given, once it is open. */
export function stranger(
  transport: Transport,
  ...frames: readonly Uint8Array[]
): { readonly heard: readonly { readonly type: number; readonly body: decoding.Decoder }[]; send(frame: Uint8Array): void } {
  const heard: { readonly type: number; readonly body: decoding.Decoder }[] = [];
  const link = transport.connect({
    opened: () => link.send(joinFrames(frames)),
    message(message) {
      for (const frame of splitMessage(message)) heard.push({ type: frame[1] ?? 0, body: decoding.createDecoder(frame.slice(2)) });
    },
    closed: () => undefined,
  });
  return { heard, send: (frame) => link.send(joinFrames([frame])) };
}

/** What a relay says of a store that has said hello. */
export interface Welcome {
  readonly lineage: number;
  readonly epoch: number;
  readonly writer: number;
  /** Of mutations that the hello named: the place in the log, or the code of the refusal. */
  readonly outcomes: Readonly<Record<string, number | string>>;
}

export function welcomeIn(input: decoding.Decoder): Welcome {
  const [lineage = 0, epoch = 0, , , writer = 0] = Array.from({ length: 6 }, () => decoding.readVarUint(input));
  // The user, and the session.
  for (let texts = 0; texts < 2; texts++) decoding.readVarString(input);
  const outcomes: Record<string, number | string> = {};
  for (let left = decoding.readVarUint(input); left > 0; left--) {
    const id = idOf(decoding.readVarUint(input), decoding.readVarUint(input));
    const seq = decoding.readVarUint(input);
    outcomes[id] = seq > 0 ? seq - 1 : decoding.readVarString(input);
    if (seq === 0) decoding.readVarString(input);
  }
  return { lineage, epoch, writer, outcomes };
}
