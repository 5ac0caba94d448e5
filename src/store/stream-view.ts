import { BehaviorSubject } from 'rxjs';
import { CotableError } from '../errors.ts';
import type { StreamKind } from '../protocol/stream-frames.ts';
import { nothingSaid, piecesAfter, type Said } from '../streams/said.ts';
import { createDeferred } from '../util/deferred.ts';
import { inTurn } from './in-turn.ts';
import type { StreamView } from './types.ts';

/** A view with the side that feeds it. */
export interface ShownView {
  readonly view: StreamView<unknown, unknown>;
  /** Nothing changes in it any more. */
  readonly isOver: boolean;
  say(attempt: number, said: Said): void;
  /** No piece comes any more: an attempt was the last, of which nothing more was for this viewer than it has. */
  whole(attempt: number): void;
  /** The row is about to be shown; `settle` comes when it is. */
  willClose(): void;
  settle(): void;
  fail(error: CotableError): void;
}

export function createStreamView(run: string, kind: StreamKind): ShownView {
  let attempt = 0;
  /** How often it began from nothing. */
  let beginnings = 0;
  let said = nothingSaid(kind);
  let isWhole = false;
  let isClosing = false;
  let isOpen = true;
  let failure: CotableError | undefined;
  const state$ = new BehaviorSubject<unknown>(said.state);
  const ended = createDeferred<void>();
  /** Iterators that wait for something to happen. */
  const waiting = new Set<() => void>();

  function wake(): void {
    for (const go of waiting) go();
    waiting.clear();
  }

  function completeWhenOver(): void {
    if (!isOpen && (isWhole || failure)) inTurn(() => state$.complete());
  }

  function iterate(): AsyncIterator<unknown> {
    const over = { done: true, value: undefined } as const;
    let at = 0;
    let of = 0;
    let pieces: unknown[] = [];
    let isDetached = false;
    let last: Promise<unknown> = Promise.resolve();

    async function step(): Promise<IteratorResult<unknown>> {
      while (!isDetached) {
        if (pieces.length > 0) return { done: false, value: pieces.shift() };
        if (of !== beginnings) {
          if (at > 0) {
            isDetached = true;
            throw new CotableError('stream.reset', { run });
          }
          of = beginnings;
        }
        // Nothing is kept for who is slow but its place: what is new is read from the state.
        pieces = [...piecesAfter(said, at)];
        at = said.length;
        if (pieces.length > 0) continue;
        if (failure) throw failure;
        if (isWhole) break;
        await new Promise<void>((go) => waiting.add(go));
      }
      return over;
    }

    return {
      next() {
        const next = last.then(step);
        last = next.catch(() => undefined);
        return next;
      },
      async return() {
        isDetached = true;
        wake();
        return over;
      },
    };
  }

  function say(number: number, now: Said): void {
    // All of it is here: it is being told again.
    if (failure || (isWhole && attempt === number)) return;
    // Another attempt, or the same one told again: what was for another session of this store is not for this one.
    if (attempt !== number || now.length < said.length) beginnings += 1;
    attempt = number;
    if (said === now) return;
    const isSame = said.state === now.state;
    said = now;
    wake();
    if (!isSame) inTurn(() => state$.next(now.state));
  }

  return {
    get isOver() {
      return !isOpen && (isWhole || failure !== undefined);
    },
    say,
    whole(number) {
      // What is shown is of an attempt before, and the last one had nothing to say.
      if (number > attempt) say(number, nothingSaid(kind));
      isWhole = true;
      wake();
      completeWhenOver();
    },
    willClose() {
      isClosing = true;
    },
    settle() {
      if (!isClosing || !isOpen) return;
      isOpen = false;
      ended.resolve();
      completeWhenOver();
    },
    fail(error) {
      if (failure || (!isOpen && isWhole)) return;
      failure = error;
      isOpen = false;
      ended.reject(error);
      wake();
      completeWhenOver();
    },
    view: {
      get state() {
        return said.state;
      },
      state$: state$.asObservable(),
      get open() {
        return isOpen;
      },
      ended: ended.promise,
      [Symbol.asyncIterator]: iterate,
    },
  };
}
