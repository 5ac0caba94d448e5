import { asCotableError, CotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { decodeFrame } from '../protocol/codec.ts';
import type { Frame } from '../protocol/frames.ts';
import { splitMessage } from '../protocol/message.ts';
import type { DeltaFrame, StreamKind, StreamPlace } from '../protocol/stream-frames.ts';
import type { OpenRoom } from './open-room.ts';
import type { Addressee } from './stream-source.ts';
import type { StreamViewer } from './viewers.ts';

/** What one reader hears of a stream, in order. */
export type StreamNews =
  /** An attempt begins, empty, in the place of what an earlier one said. */
  | { readonly type: 'began'; readonly attempt: number }
  /** `offset` counts in what this attempt says to this reader. `pieces`: one text, some items, or one value. */
  | { readonly type: 'said'; readonly attempt: number; readonly offset: number; readonly pieces: readonly unknown[] }
  /** The run has ended. `isAll`: its stream ends with what was read last, and not before that. */
  | { readonly type: 'ended'; readonly isAll: boolean }
  /** The run has ended, or its room never heard of it: of its stream nothing is known. */
  | { readonly type: 'gone' };

/**
 * A viewer without a link: what a room sends to it waits until it is read, and counts as buffered until then, so that it is
 * sent no more than a link that takes nothing.
 */
export async function* readStream(options: {
  readonly place: OpenRoom;
  readonly reader: Addressee;
  readonly kind: StreamKind;
  readonly clock: Clock;
  readonly drainMs: number;
  readonly from: StreamPlace;
  /** Nobody reads any more: ends with its reason. */
  readonly signal?: AbortSignal;
}): AsyncGenerator<StreamNews, void, undefined> {
  const { place, kind, clock, from, signal } = options;
  const { run } = from;
  const waiting: { readonly news: StreamNews; readonly bytes: number }[] = [];
  let buffered = 0;
  let { attempt, offset } = from;
  /** All that it says; told before or behind the last of it. */
  let end: { readonly attempt: number; readonly length: number } | undefined;
  let failed: { readonly error: unknown } | undefined;
  let changed = (): void => undefined;
  const draining = new Set<() => void>();

  function hear(frame: Frame): void {
    // The room has other streams too.
    if (!('run' in frame) || frame.run !== run) return;
    switch (frame.type) {
      case 'stream':
        // Of the present attempt it is said again what is known, to one that was behind.
        if (frame.attempt !== attempt) {
          ({ attempt } = frame);
          offset = 0;
          add({ type: 'began', attempt }, 1);
        }
        break;
      case 'delta':
        hearPieces(frame);
        break;
      case 'streamEnd':
        end = { attempt: frame.attempt, length: frame.length };
        break;
      case 'streamGone':
        add({ type: 'gone' }, 1);
        break;
      default:
        return;
    }
    // One that ends as an earlier attempt than was read has lost what came behind that.
    if (!end || (end.length > 0 && end.attempt >= attempt && (end.attempt > attempt || offset < end.length))) return;
    add({ type: 'ended', isAll: end.attempt === attempt && offset === end.length }, 1);
  }

  function hearAll(message: Uint8Array): void {
    for (const bytes of splitMessage(message)) hear(decodeFrame(bytes));
  }

  function hearPieces({ offset: at, body }: DeltaFrame): void {
    const known = Math.max(0, offset - at);
    const pieces =
      kind === 'text' ? [body.slice(known)] : kind === 'items' ? (JSON.parse(body) as unknown[]).slice(known) : [JSON.parse(body)];
    const length = kind === 'text' ? body.length : kind === 'items' ? pieces.length + known : 1;
    if (at + length <= offset) return;
    add({ type: 'said', attempt, offset: at + known, pieces }, body.length);
    offset = at + length;
  }

  function add(news: StreamNews, bytes: number): void {
    waiting.push({ news, bytes });
    buffered += bytes;
    changed();
  }

  function look(): void {
    for (const drained of [...draining]) drained();
  }

  const viewer: StreamViewer = {
    ...options.reader,
    get buffered() {
      return buffered;
    },
    send: hear,
    sendMessage: hearAll,
    sendNow: hearAll,
    drained(bytes = 0, tooSlow = () => new CotableError<string>('limit.bytes', { bytes: buffered, limit: bytes })) {
      return new Promise((resolve, reject) => {
        const over = (): void => {
          draining.delete(drained);
          cancel();
        };
        const drained = (): void => {
          if (!failed && buffered > bytes) return;
          over();
          if (failed) reject(failed.error);
          else resolve();
        };
        const cancel = clock.after(options.drainMs, () => {
          over();
          reject(tooSlow());
        });
        draining.add(drained);
        drained();
      });
    },
    fail,
  };

  function fail(error: unknown): void {
    failed ??= { error };
    look();
    changed();
  }

  const leave = place.admit(viewer, from);
  const stop = (): void => fail(signal?.reason);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  // Nothing was said yet, perhaps nothing ever will be: still it hears of the end.
  const told = end ? undefined : place.streams.resume(viewer, { run, attempt: 0, offset: 0 });
  told?.catch((error: unknown) =>
    viewer.fail(asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }))),
  );
  try {
    for (;;) {
      const next = waiting.shift();
      if (!next) {
        if (failed) throw failed.error;
        await new Promise<void>((resolve) => (changed = resolve));
        continue;
      }
      yield next.news;
      // It was taken when the reader asks for more.
      buffered -= next.bytes;
      look();
      if (next.news.type === 'ended' || next.news.type === 'gone') return;
    }
  } finally {
    leave();
    signal?.removeEventListener('abort', stop);
    viewer.fail(new CotableError('stream.gone', { run }));
  }
}
