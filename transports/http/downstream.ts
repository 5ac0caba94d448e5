import { concatBytes } from '../../src/util/bytes.ts';

/** The response that stays open: events in, bytes out as fast as they are taken. */
export interface Downstream {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes that nobody has taken yet. */
  readonly buffered: number;
  event(name: string, data: string): void;
  message(id: number, characters: Uint8Array): void;
  /** Ends it after what was written. Resolves when all of it was taken, or nobody takes it any more. */
  finish(): Promise<void>;
  /** It has broken: nobody takes anything any more. */
  broken(): void;
}

/** As much is handed on at once. */
const CHUNK_BYTES = 64 * 1024;

const END = new TextEncoder().encode('\n\n');

/** `gone`: nobody takes it any more, and nobody has finished it. Called at most once. */
export function createDownstream(gone: () => void): Downstream {
  const text = new TextEncoder();
  let queue: Uint8Array[] = [];
  let buffered = 0;
  let isFinished = false;
  let isOver = false;
  let wake = (): void => undefined;
  let left: () => void = () => undefined;
  const hasLeft = new Promise<void>((resolve) => (left = resolve));

  function write(bytes: Uint8Array): void {
    if (isOver || isFinished) return;
    queue.push(bytes);
    buffered += bytes.length;
    wake();
  }

  function end(): void {
    if (isOver) return;
    isOver = true;
    queue = [];
    buffered = 0;
    left();
    wake();
    if (!isFinished) gone();
  }

  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(taker) {
        while (queue.length === 0 && !isFinished && !isOver) await new Promise<void>((resolve) => (wake = resolve));
        if (isOver) return;
        if (queue.length === 0) {
          taker.close();
          return end();
        }
        const parts: Uint8Array[] = [];
        for (let bytes = 0; bytes < CHUNK_BYTES;) {
          const part = queue.shift();
          if (!part) break;
          parts.push(part);
          bytes += part.length;
        }
        buffered -= parts.reduce((sum, part) => sum + part.length, 0);
        taker.enqueue(concatBytes(parts));
      },
      cancel: end,
    },
    // Nothing is pulled before it is asked for: what waits, waits here and is counted.
    { highWaterMark: 0 },
  );

  return {
    stream,
    get buffered() {
      return buffered;
    },
    event: (name, data) => write(text.encode(`event: ${name}\ndata: ${data}\n\n`)),
    message: (id, characters) => write(concatBytes([text.encode(`id: ${id}\ndata: `), characters, END])),
    finish() {
      isFinished = true;
      wake();
      return hasLeft;
    },
    broken: end,
  };
}
