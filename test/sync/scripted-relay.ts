import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { onTestFinished } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';

// A relay that does as a test says, over real WebSockets, and that writes its frames by hand: it shares no code with the client.

export interface Asked {
  readonly request: string;
  readonly name: string;
  readonly version: string;
  readonly data: unknown;
  readonly locale: string;
  readonly ignoreSelf: boolean;
  readonly requireReceivers: boolean;
}

/** What a client said, in order. */
export type Said =
  | { readonly type: 'enter'; readonly room: string; readonly userId: string; readonly token: string; readonly streams: readonly Place[] }
  | { readonly type: 'listen'; readonly isOn: boolean }
  | ({ readonly type: 'sync' } & Asked)
  | { readonly type: 'drop'; readonly request: string }
  | ({ readonly type: 'resume' } & Place)
  | { readonly type: 'auth'; readonly token: string }
  | { readonly type: 'ping' };

export interface Place {
  readonly run: string;
  readonly attempt: number;
  readonly offset: number;
}

export interface ScriptedLink {
  readonly said: readonly Said[];
  readonly isClosed: boolean;
  /** What was asked, in order. */
  readonly asked: readonly Asked[];
  taken(request: string, run: string): void;
  answer(request: string, body: unknown): void;
  event(run: string, serverOutput: unknown, clientOutput?: unknown): void;
  stream(run: string, attempt?: number): void;
  delta(run: string, offset: number, pieces: unknown): void;
  streamEnd(run: string, length: number, attempt?: number): void;
  streamGone(run: string): void;
  streams(runs: readonly string[]): void;
  grant(expiresInMs: number): void;
  /** Says why, and closes. */
  fail(code: string, params?: object): void;
  /** Breaks it, as a network does. */
  cut(): void;
}

export interface ScriptedRelay {
  readonly url: string;
  /** Every link there was. */
  readonly links: readonly ScriptedLink[];
  /** Takes no more links, and cuts those that are there. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  /** How it answers who enters; by default with `entered` as the user that is claimed. */
  greet: (link: ScriptedLink, userId: string, entered: (userId?: string) => void) => void;
  /** How it answers who asks; by default not at all. */
  answer: (link: ScriptedLink, asked: Asked) => void;
}

const VERSION = 1;

export async function scriptedRelay(): Promise<ScriptedRelay> {
  const links: ScriptedLink[] = [];
  const sockets = new Set<WebSocket>();
  let server: Server | undefined;
  let port = 0;

  const relay = {
    links,
    url: '',
    greet: (_link: ScriptedLink, _userId: string, entered: (userId?: string) => void) => entered(),
    answer: (_link: ScriptedLink, _asked: Asked): void => undefined,
    async goAway() {
      for (const socket of sockets) socket.terminate();
      const closing = server;
      server = undefined;
      if (closing) await new Promise((done) => closing.close(done));
    },
    async comeBack() {
      const opened = createServer();
      const upgrades = new WebSocketServer({ server: opened });
      upgrades.on('connection', (socket) => {
        sockets.add(socket);
        links.push(serve(socket, relay));
      });
      await new Promise<void>((done) => opened.listen(port, '127.0.0.1', done));
      port = (opened.address() as AddressInfo).port;
      relay.url = `ws://127.0.0.1:${port}`;
      server = opened;
    },
  };
  await relay.comeBack();
  onTestFinished(() => relay.goAway());
  return relay;
}

function serve(socket: WebSocket, relay: ScriptedRelay): ScriptedLink {
  const said: Said[] = [];
  let isClosed = false;
  socket.binaryType = 'arraybuffer';
  socket.on('close', () => (isClosed = true));

  const raw = (type: number, write: (out: encoding.Encoder) => void): void => {
    const out = encoding.createEncoder();
    encoding.writeUint8(out, VERSION);
    encoding.writeUint8(out, type);
    write(out);
    const message = encoding.createEncoder();
    encoding.writeVarUint8Array(message, encoding.toUint8Array(out));
    socket.send(encoding.toUint8Array(message));
  };

  const send = (type: number, texts: readonly string[], numbers: readonly number[] = []): void =>
    raw(type, (out) => {
      for (const text of texts) encoding.writeVarString(out, text);
      for (const number of numbers) encoding.writeVarUint(out, number);
    });

  const link: ScriptedLink = {
    said,
    get isClosed() {
      return isClosed;
    },
    get asked() {
      return said.filter((one) => one.type === 'sync');
    },
    taken: (request, run) => send(53, [request, run]),
    answer: (request, body) => send(54, [request, typeof body === 'string' ? body : JSON.stringify(body)]),
    event: (run, serverOutput, clientOutput = {}) =>
      send(55, [run, ...[serverOutput, clientOutput].map((output) => (typeof output === 'string' ? output : JSON.stringify(output)))]),
    stream: (run, attempt = 1) =>
      raw(23, (out) => {
        encoding.writeVarString(out, run);
        encoding.writeVarUint(out, attempt);
        encoding.writeUint8(out, 1);
        encoding.writeVarUint(out, 0);
      }),
    delta: (run, offset, pieces) =>
      raw(24, (out) => {
        encoding.writeVarString(out, run);
        encoding.writeVarUint(out, offset);
        encoding.writeVarString(out, typeof pieces === 'string' ? pieces : JSON.stringify(pieces));
      }),
    streamEnd: (run, length, attempt = 1) => send(25, [run], [attempt, 0, length]),
    streamGone: (run) => send(27, [run]),
    streams: (runs) =>
      raw(26, (out) => {
        encoding.writeVarUint(out, runs.length);
        for (const run of runs) encoding.writeVarString(out, run);
      }),
    grant: (expiresInMs) =>
      raw(40, (out) => {
        encoding.writeUint8(out, 1);
        encoding.writeVarUint(out, expiresInMs);
        encoding.writeVarString(out, '');
      }),
    fail(code, params = {}) {
      send(21, [code, JSON.stringify(params)]);
      socket.close();
    },
    cut: () => socket.terminate(),
  };

  socket.on('message', (data: ArrayBuffer) => {
    const message = decoding.createDecoder(new Uint8Array(data));
    while (decoding.hasContent(message)) {
      const one = read(decoding.readVarUint8Array(message));
      said.push(one);
      if (one.type === 'ping') send(20, []);
      if (one.type === 'sync') relay.answer(link, one);
      if (one.type === 'enter') relay.greet(link, one.userId, (userId = one.userId) => send(52, [userId, 'session'], [Date.now()]));
    }
  });
  return link;
}

function read(frame: Uint8Array): Said {
  const input = decoding.createDecoder(frame);
  if (decoding.readUint8(input) !== VERSION) throw new Error('a frame of another version');
  const text = (): string => decoding.readVarString(input);
  const place = (): Place => ({ run: text(), attempt: decoding.readVarUint(input), offset: decoding.readVarUint(input) });
  const type = decoding.readUint8(input);
  switch (type) {
    case 48: {
      const [room, userId, token] = [text(), text(), text()];
      return { type: 'enter', room, userId, token, streams: Array.from({ length: decoding.readVarUint(input) }, place) };
    }
    case 49:
      return { type: 'listen', isOn: decoding.readUint8(input) === 1 };
    case 50: {
      const [request, name, version, data, locale] = [text(), text(), text(), text(), text()];
      const flags = decoding.readUint8(input);
      const parsed: unknown = JSON.parse(data);
      return { type: 'sync', request, name, version, data: parsed, locale, ignoreSelf: (flags & 1) > 0, requireReceivers: (flags & 2) > 0 };
    }
    case 51:
      return { type: 'drop', request: text() };
    case 5:
      return { type: 'resume', ...place() };
    case 10:
      return { type: 'auth', token: text() };
    case 3:
      return { type: 'ping' };
    default:
      throw new Error(`a client does not say ${type}`);
  }
}
