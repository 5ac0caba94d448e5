import type { Clock } from '../../ports/clock.ts';

/** So often an answer that has nothing to say says that it is there: proxies cut what is silent for longer. */
const BEAT_MS = 15_000;

const text = new TextEncoder();
/** A comment: clients of server-sent events pass over it. */
const BEAT = text.encode(':\n\n');

/** One server-sent event. `data` is written as JSON. */
export interface ServerSentEvent {
  readonly id?: string;
  readonly event: string;
  readonly data: unknown;
}

/** What an answer that is a stream of events says of itself. */
export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/**
 * Events as they are taken: what nobody takes is not asked for. It breaks off where `events` throws: clients come back and
 * go on.
 */
export function toEventStream(
  events: AsyncGenerator<ServerSentEvent, void, undefined>,
  options: {
    readonly clock: Clock;
    /** Who reads may do so until then, in milliseconds since 1970: it breaks off at the next event or beat. */
    readonly until: number;
    /** Who reads may not any more: it breaks off at once. */
    readonly cut?: AbortSignal;
    /** Aborted when it is over: nobody takes it any more, or it has said all. */
    readonly left: AbortController;
    readonly failed: (error: unknown) => void;
  },
): ReadableStream<Uint8Array> {
  const { clock, until, cut, left, failed } = options;
  let next: Promise<IteratorResult<ServerSentEvent, void>> | undefined;
  let isOpen = false;

  /** It may wait for something, or for somebody to take what it has: in either case it lets go of the room. */
  function leave(): void {
    left.abort();
    events.return().catch(() => undefined);
  }

  function close(taker: ReadableStreamDefaultController<Uint8Array>): void {
    leave();
    taker.close();
  }

  const mayRead = (): boolean => !cut?.aborted && clock.now() < until;

  return new ReadableStream<Uint8Array>(
    {
      async pull(taker) {
        if (!isOpen) {
          // Whoever waits for the answer has it, also when nothing happens for long.
          isOpen = true;
          return taker.enqueue(BEAT);
        }
        if (!mayRead()) return close(taker);
        next ??= events.next();
        // What it waits for rejects when it is left: nobody wants to hear of it.
        next.catch(() => undefined);
        let beat = (): void => undefined;
        const silence = new Promise<undefined>((resolve) => (beat = () => resolve(undefined)));
        const cancel = clock.after(BEAT_MS, beat);
        cut?.addEventListener('abort', beat);
        try {
          const result = await Promise.race([next, silence]);
          if (!mayRead()) return close(taker);
          if (!result) return taker.enqueue(BEAT);
          next = undefined;
          if (result.done) return close(taker);
          const { id, event, data } = result.value;
          taker.enqueue(text.encode(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
        } catch (error) {
          if (left.signal.aborted) return;
          failed(error);
          close(taker);
        } finally {
          cancel();
          cut?.removeEventListener('abort', beat);
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
