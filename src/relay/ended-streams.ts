import type { ShownStream } from './viewers.ts';

/** How long a stream that has ended answers those who come late. */
const REMEMBERED_MS = 60_000;
/** Less long when all of them together are larger than this: the oldest go first. */
const REMEMBERED_BYTES = 8 * 1024 * 1024;

/** The streams of a room that ended lately. */
export interface EndedStreams {
  add(stream: ShownStream): void;
  find(run: string): ShownStream | undefined;
  readonly isEmpty: boolean;
}

export function createEndedStreams(now: () => number): EndedStreams {
  /** Oldest first. */
  const streams = new Map<string, { readonly stream: ShownStream; readonly at: number }>();
  let bytes = 0;

  function forget(): void {
    for (const [run, { stream, at }] of streams) {
      if (now() - at < REMEMBERED_MS && bytes <= REMEMBERED_BYTES) return;
      streams.delete(run);
      bytes -= stream.source.bytes;
    }
  }

  return {
    add(stream) {
      streams.set(stream.source.run, { stream, at: now() });
      bytes += stream.source.bytes;
      forget();
    },
    find(run) {
      forget();
      return streams.get(run)?.stream;
    },
    get isEmpty() {
      forget();
      return streams.size === 0;
    },
  };
}
