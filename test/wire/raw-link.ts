import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { Doc, encodeStateAsUpdate } from 'yjs';

/** The wire by hand, sharing no code with the product: what a stranger could send, and what a relay answers. */
export interface RawLink {
  /** Each WebSocket message as the types of its frames. */
  readonly messages: readonly number[][];
  /** Bodies of the frames of one type, behind version and type. */
  bodies(type: number): decoding.Decoder[];
  send(...frames: Uint8Array[]): void;
  sendBytes(bytes: Uint8Array | string): void;
  /** Resolves when the relay has closed: code and reason of the WebSocket, and the code in its last words. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string; readonly failed: string | undefined }>;
  readonly socket: WebSocket;
}

export const TYPES = { hello: 1, mutate: 2, ping: 3, welcome: 16, snapshot: 17, entries: 18, outcome: 19, pong: 20, failed: 21 } as const;

/** One that a store picks: small ones have to be leased. */
export const WRITER = 2 ** 31 + 88;

export async function rawLink(url: string, headers: Readonly<Record<string, string>> = {}): Promise<RawLink> {
  const socket = new WebSocket(url, { headers });
  socket.binaryType = 'arraybuffer';
  onTestFinished(() => socket.terminate());
  const frames: { readonly type: number; readonly body: Uint8Array }[] = [];
  const messages: number[][] = [];
  socket.on('message', (data: ArrayBuffer) => {
    const input = decoding.createDecoder(new Uint8Array(data));
    const types: number[] = [];
    while (decoding.hasContent(input)) {
      const frame = decoding.readVarUint8Array(input).slice();
      if (frame[0] !== 1) throw new Error('a frame of another version');
      frames.push({ type: frame[1] ?? 0, body: frame.subarray(2) });
      types.push(frame[1] ?? 0);
    }
    messages.push(types);
  });
  const bodies = (type: number): decoding.Decoder[] =>
    frames.filter((frame) => frame.type === type).map((frame) => decoding.createDecoder(frame.body));
  const closed = new Promise<{ code: number; reason: string; failed: string | undefined }>((resolve) => {
    socket.on('close', (code, reason) => {
      const [last] = bodies(TYPES.failed);
      resolve({ code, reason: reason.toString(), failed: last && decoding.readVarString(last) });
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return {
    messages,
    bodies,
    closed,
    socket,
    sendBytes: (bytes) => socket.send(bytes),
    send(...list) {
      const out = encoding.createEncoder();
      for (const frame of list) encoding.writeVarUint8Array(out, frame);
      socket.send(encoding.toUint8Array(out));
    },
  };
}

export function frame(type: number, write: (out: encoding.Encoder) => void, version = 1): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeUint8(out, version);
  encoding.writeUint8(out, type);
  write(out);
  return encoding.toUint8Array(out);
}

export interface Hello {
  readonly schemaVersion?: number;
  readonly room?: string;
  readonly userId?: string;
  readonly token?: string;
  readonly lineage?: number;
  readonly epoch?: number;
  readonly seq?: number;
  readonly replica?: number;
  readonly writer?: number;
  readonly fence?: readonly number[];
  readonly outbox?: readonly (readonly [replica: number, from: number, to: number])[];
}

export function hello(fields: Hello): Uint8Array {
  const {
    schemaVersion = 1,
    room = 'room',
    userId = 'eve',
    token = '',
    lineage = 0,
    epoch = 0,
    seq = 0,
    replica = 77,
    writer = WRITER,
  } = fields;
  return frame(TYPES.hello, (out) => {
    encoding.writeVarUint(out, schemaVersion);
    for (const text of [room, userId, token]) encoding.writeVarString(out, text);
    for (const number of [lineage, epoch, seq, replica, writer]) encoding.writeVarUint(out, number);
    encoding.writeVarUint(out, fields.fence?.length ?? 0);
    for (const fenced of fields.fence ?? []) encoding.writeVarUint(out, fenced);
    encoding.writeVarUint(out, fields.outbox?.length ?? 0);
    for (const range of fields.outbox ?? []) for (const number of range) encoding.writeVarUint(out, number);
    // No streams.
    encoding.writeVarUint(out, 0);
  });
}

export interface Mutate {
  readonly lineage: number;
  readonly epoch: number;
  readonly writer?: number;
  readonly number?: number;
  readonly replica?: number;
  readonly counter?: number;
  readonly clock: number;
  readonly name?: string;
  readonly intents?: readonly (readonly [name: string, input: string])[];
  readonly updates: readonly (readonly [table: string, bytes: Uint8Array])[];
}

export function mutate(fields: Mutate): Uint8Array {
  const { lineage, epoch, writer = WRITER, number = 1, replica = 77, counter = 1, clock, name = 'write', intents = [], updates } = fields;
  return frame(TYPES.mutate, (out) => {
    for (const value of [lineage, epoch, writer, number, replica, counter, clock]) encoding.writeVarUint(out, value);
    encoding.writeVarString(out, name);
    encoding.writeVarUint(out, intents.length);
    for (const intent of intents) {
      for (const text of [...intent, '']) encoding.writeVarString(out, text);
      encoding.writeVarUint(out, 0);
    }
    encoding.writeVarUint(out, updates.length);
    for (const [table, bytes] of updates) {
      encoding.writeVarString(out, table);
      encoding.writeVarUint8Array(out, bytes);
    }
  });
}

/** An update that writes cells into a map as one client. */
export function update(
  cells: Readonly<Record<string, unknown>>,
  options: { readonly writer?: number; readonly map?: string } = {},
): Uint8Array {
  const doc = new Doc();
  doc.clientID = options.writer ?? WRITER;
  const map = doc.getMap(options.map ?? 'notes');
  doc.transact(() => {
    for (const [key, cell] of Object.entries(cells)) map.set(key, cell);
  });
  return encodeStateAsUpdate(doc);
}

/** Says hello and waits for the answer: which room it is. */
export async function greet(
  link: RawLink,
  fields: Hello = {},
): Promise<{
  readonly lineage: number;
  readonly epoch: number;
  readonly head: number;
  readonly now: number;
  readonly writer: number;
  readonly writerLast: number;
}> {
  const before = link.bodies(TYPES.welcome).length;
  link.send(hello(fields));
  for (;;) {
    const welcome = link.bodies(TYPES.welcome)[before];
    if (welcome) {
      const [lineage = 0, epoch = 0, head = 0, now = 0, writer = 0, writerLast = 0] = Array.from({ length: 6 }, () =>
        decoding.readVarUint(welcome),
      );
      return { lineage, epoch, head, now, writer, writerLast };
    }
    await Promise.race([new Promise((resolve) => link.socket.once('message', resolve)), refused(link)]);
  }
}

async function refused(link: RawLink): Promise<never> {
  const { failed, reason } = await link.closed;
  throw new Error(`the relay refused: ${failed ?? reason}`);
}
