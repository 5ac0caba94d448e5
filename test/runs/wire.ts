import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import type { RunEnding } from 'cotable/relay';
import type { MemoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { frame, hello } from '../wire/raw-link.ts';

/** A frame of type `run`, as it came. */
export interface HeardRun {
  readonly run: string;
  readonly name: string;
  readonly status: string;
  readonly attempt: number;
  readonly seq: number;
  readonly ending: RunEnding | undefined;
  readonly input: string;
}

/** A link that speaks of runs by hand: what stores will say, and what no store would. */
export interface Wire {
  call(fields: { run: string; name: string; input: string; key?: string; expiresAt?: number }): void;
  ask(run: string): void;
  cancel(run: string): void;
  /** All that it heard of runs. */
  runs(): readonly HeardRun[];
  /** The lists of open streams that it was told, each with their runs. */
  streams(): readonly (readonly string[])[];
  /** The code in the relay's last words. */
  failed(): string | undefined;
  /** Why it was closed. */
  closed(): string | undefined;
  close(): void;
}

/** Connects and says hello at once. */
export function wire(hub: MemoryHub, userId: string, room = 'room'): Wire {
  const bodies: { readonly type: number; readonly body: Uint8Array }[] = [];
  const link = hub.transport(userId).connect({
    opened: () => send(hello({ room, userId, replica: 70 + links, writer: 80 + links++ })),
    message(message) {
      const input = decoding.createDecoder(message);
      while (decoding.hasContent(input)) {
        const bytes = decoding.readVarUint8Array(input).slice();
        bodies.push({ type: bytes[1] ?? 0, body: bytes.subarray(2) });
      }
    },
    closed: (error) => void (reason = error?.code),
  });
  let reason: string | undefined;
  onTestFinished(() => link.close());
  const of = (type: number): decoding.Decoder[] =>
    bodies.filter((one) => one.type === type).map(({ body }) => decoding.createDecoder(body));

  function send(bytes: Uint8Array): void {
    const out = encoding.createEncoder();
    encoding.writeVarUint8Array(out, bytes);
    link.send(encoding.toUint8Array(out));
  }

  const naming = (type: number, run: string): void => send(frame(type, (out) => encoding.writeVarString(out, run)));
  return {
    call: ({ run, name, input, key = '', expiresAt = 0 }) =>
      send(
        frame(4, (out) => {
          for (const text of [run, name, input, key]) encoding.writeVarString(out, text);
          encoding.writeVarUint(out, expiresAt);
        }),
      ),
    ask: (run) => naming(11, run),
    cancel: (run) => naming(12, run),
    runs: () => of(22).map(readRun),
    streams: () => of(26).map((body) => Array.from({ length: decoding.readVarUint(body) }, () => decoding.readVarString(body))),
    failed() {
      const [last] = of(21);
      return last && decoding.readVarString(last);
    },
    closed: () => reason,
    close: () => link.close(),
  };
}

let links = 0;

function readRun(body: decoding.Decoder): HeardRun {
  const [run = '', name = '', status = ''] = Array.from({ length: 3 }, () => decoding.readVarString(body));
  const [attempt = 0, seq = 0] = Array.from({ length: 2 }, () => decoding.readVarUint(body));
  const ending = decoding.readVarString(body);
  return {
    run,
    name,
    status,
    attempt,
    seq,
    ending: ending === '' ? undefined : (JSON.parse(ending) as RunEnding),
    input: decoding.readVarString(body),
  };
}
