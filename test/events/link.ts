import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/** The answer to a request, as it came. */
export interface Answer {
  readonly status: 'success' | 'error';
  readonly message: string;
  readonly result?: unknown;
  readonly recipientCount?: number;
  readonly errorCode?: string;
  readonly errorParams?: Readonly<Record<string, unknown>>;
  readonly httpStatus?: number;
}

/** What a link heard, in the order in which it came. */
export type Heard =
  | { readonly type: 'entered'; readonly userId: string; readonly sessionId: string }
  | { readonly type: 'taken'; readonly request: string; readonly run: string }
  | { readonly type: 'answer'; readonly request: string; readonly body: Answer }
  | { readonly type: 'event'; readonly run: string; readonly serverOutput: unknown; readonly clientOutput: unknown }
  | { readonly type: 'stream'; readonly run: string }
  | { readonly type: 'piece'; readonly run: string; readonly to: number; readonly piece: unknown }
  | { readonly type: 'streamEnd'; readonly run: string }
  | { readonly type: 'run'; readonly run: string }
  | { readonly type: 'failed'; readonly code: string };

export interface Request {
  readonly request?: string;
  readonly name: string;
  readonly version?: string;
  readonly data?: unknown;
  readonly ignoreSelf?: boolean;
  readonly requireReceivers?: boolean;
  readonly locale?: string;
}

/** A link that speaks of events by hand, sharing no code with the product. */
export interface EventLink {
  readonly heard: readonly Heard[];
  readonly sessionId: string;
  listen(isOn?: boolean): void;
  /** Sends a request; resolves with its answer. */
  ask(request: Request): Promise<Answer>;
  /** The same without waiting. */
  send(request: Request): string;
  drop(request: string): void;
  /** Says something else: its type, then texts. */
  say(type: number, ...texts: readonly string[]): void;
  /** The deliveries alone. */
  events(): readonly { readonly serverOutput: unknown; readonly clientOutput: unknown }[];
  pieces(to?: number): readonly unknown[];
  /** Resolves once `found` is true of what was heard. */
  until(found: (heard: readonly Heard[]) => boolean): Promise<void>;
  close(): Promise<void>;
}

export interface EnterOptions {
  readonly room?: string;
  readonly userId?: string;
  readonly token?: string;
  readonly isListening?: boolean;
}

let requests = 0;

/** Opens a link without tables. Rejects with the code that it is refused with. */
export async function enter(
  url: string,
  { room = 'room', userId = '', token = '', isListening = true }: EnterOptions = {},
): Promise<EventLink> {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  onTestFinished(() => socket.terminate());
  const heard: Heard[] = [];
  let changed = (): void => undefined;
  socket.on('message', (data: ArrayBuffer) => {
    const input = decoding.createDecoder(new Uint8Array(data));
    while (decoding.hasContent(input)) heard.push(...read(decoding.readVarUint8Array(input).slice()));
    changed();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });

  const frame = (type: number, write: (out: encoding.Encoder) => void): void => {
    const body = encoding.createEncoder();
    encoding.writeUint8(body, 1);
    encoding.writeUint8(body, type);
    write(body);
    const out = encoding.createEncoder();
    encoding.writeVarUint8Array(out, encoding.toUint8Array(body));
    socket.send(encoding.toUint8Array(out));
  };
  const texts = (type: number, ...all: readonly string[]): void =>
    frame(type, (out) => all.forEach((text) => encoding.writeVarString(out, text)));
  const until = async (found: (heard: readonly Heard[]) => boolean): Promise<void> => {
    while (!found(heard)) {
      await new Promise<void>((resolve) => {
        const before = changed;
        changed = () => {
          before();
          resolve();
        };
      });
    }
  };

  frame(48, (out) => {
    for (const text of [room, userId, token]) encoding.writeVarString(out, text);
    encoding.writeVarUint(out, 0);
  });
  await until(() => heard.some(({ type }) => type === 'entered' || type === 'failed'));
  const entered = heard.find((one) => one.type === 'entered');
  const refused = heard.find((one) => one.type === 'failed');
  if (!entered) throw new Error(refused?.code);

  const send = ({ request = `request ${++requests}`, name, version = 'v1', data = {}, ...rest }: Request): string => {
    frame(50, (out) => {
      for (const text of [request, name, version, JSON.stringify(data), rest.locale ?? '']) encoding.writeVarString(out, text);
      encoding.writeUint8(out, (rest.ignoreSelf ? 1 : 0) | (rest.requireReceivers ? 2 : 0));
    });
    return request;
  };
  const link: EventLink = {
    heard,
    sessionId: entered.sessionId,
    listen: (isOn = true) => frame(49, (out) => encoding.writeUint8(out, isOn ? 1 : 0)),
    send,
    async ask(asked) {
      const request = send(asked);
      const isIt = (one: Heard): boolean => one.type === 'answer' && one.request === request;
      const before = heard.filter(isIt).length;
      await until(() => heard.filter(isIt).length > before);
      const last = heard.findLast(isIt);
      return last?.type === 'answer' ? last.body : { status: 'error', message: 'there is none' };
    },
    drop: (request) => texts(51, request),
    say: texts,
    events: () => heard.filter((one) => one.type === 'event'),
    pieces: (to = 1) => heard.flatMap((one) => (one.type === 'piece' && one.to === to ? [one.piece] : [])),
    until,
    close: () =>
      new Promise((resolve) => {
        socket.once('close', () => resolve());
        socket.close();
      }),
  };
  if (isListening) link.listen();
  return link;
}

function read(bytes: Uint8Array): Heard[] {
  const [, type] = bytes;
  const body = decoding.createDecoder(bytes.subarray(2));
  const text = (): string => decoding.readVarString(body);
  switch (type) {
    case 21:
      return [{ type: 'failed', code: text() }];
    case 22:
      return [{ type: 'run', run: text() }];
    case 23:
      return [{ type: 'stream', run: text() }];
    case 24: {
      const run = text();
      decoding.readVarUint(body);
      const items = JSON.parse(text()) as readonly (readonly [number, unknown])[];
      return items.map(([to, piece]) => ({ type: 'piece', run, to, piece }));
    }
    case 25:
      return [{ type: 'streamEnd', run: text() }];
    case 52:
      return [{ type: 'entered', userId: text(), sessionId: text() }];
    case 53:
      return [{ type: 'taken', request: text(), run: text() }];
    case 54:
      return [{ type: 'answer', request: text(), body: JSON.parse(text()) as Answer }];
    case 55:
      return [{ type: 'event', run: text(), serverOutput: JSON.parse(text()), clientOutput: JSON.parse(text()) }];
    default:
      return [];
  }
}
