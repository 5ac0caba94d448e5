export interface StreamThrottleOptions<Field extends string | false> {
  /** What waits leaves after this time at the latest; `false`: no timer, it waits for the next piece or `flush`. 50. */
  readonly flushEveryMs?: number | false;
  /** A piece that finds this many UTF-16 code units waiting takes them along at once; behind the first one, twice as many. 32. */
  readonly flushAtChars?: number;
  /** The field that holds the text of what is emitted; `false`: the text itself is emitted, as text streams take it. `chunk`. */
  readonly field?: Field;
}

/** Joins small pieces of text to fewer, larger ones. One for each stream; all calls with the same `emit`. */
export interface StreamThrottle<Piece> {
  /** Takes text. The first one, and the first after a rest, is emitted within the call. Throws what `emit` throws, now or in a timer before. */
  push(text: string, emit: (piece: Piece) => void): void;
  /** Emits what waits: call it at the end. Half of a surrogate pair goes on waiting. Throws as `push` does. */
  flush(emit: (piece: Piece) => void): void;
  /** Drops what waits, and begins anew. */
  reset(): void;
}

/**
 * Makes fewer pieces of many: 1,000 of five characters become 125. A text never is cut within a surrogate pair. Text streams
 * are put together by the relay already; this is for `items`, whose pieces are kept apart. The timer keeps no process alive.
 *
 *     const throttle = createStreamThrottle();
 *     for await (const text of model(prompt)) throttle.push(text, ctx.broadcastStream);
 *     throttle.flush(ctx.broadcastStream);
 */
export function createStreamThrottle<const Field extends string | false = 'chunk'>(
  options: StreamThrottleOptions<Field> = {},
): StreamThrottle<Field extends string ? { readonly [K in Field]: string } : string> {
  type Piece = Field extends string ? { readonly [K in Field]: string } : string;
  const { flushEveryMs = 50, flushAtChars = 32 } = options;
  const field: string | false = options.field ?? 'chunk';
  let waiting = '';
  /** Whether something was emitted that what follows is put together behind. */
  let isUnderWay = false;
  /** UTF-16 code units taken since something left, or would have. */
  let taken = 0;
  /** The first piece left ahead of its time: what follows makes up for it, so that no more leave than without that. */
  let isOwed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failure: { readonly error: unknown } | undefined;
  /** What was handed in last. */
  let emitNow: ((piece: Piece) => void) | undefined;

  function send(emit: (piece: Piece) => void): void {
    const end = isHalf(waiting) ? waiting.length - 1 : waiting.length;
    const text = waiting.slice(0, end);
    waiting = waiting.slice(end);
    if (text === '') return;
    isUnderWay = true;
    clearTimeout(timer);
    if (flushEveryMs !== false) {
      timer = setTimeout(elapsed, flushEveryMs);
      timer.unref();
    }
    emit((field === false ? text : { [field]: text }) as Piece);
  }

  /** What follows makes up for nothing. */
  function rest(): void {
    taken = 0;
    isOwed = false;
  }

  function elapsed(): void {
    isUnderWay = false;
    rest();
    try {
      if (emitNow) send(emitNow);
    } catch (error) {
      // There is nobody to throw it at here: the next call does.
      failure = { error };
    }
  }

  function assertWell(): void {
    if (!failure) return;
    const { error } = failure;
    failure = undefined;
    throw error;
  }

  return {
    push(text, emit) {
      assertWell();
      const isFirst = !isUnderWay;
      const isDue = isFirst || taken >= flushAtChars;
      emitNow = emit;
      waiting += text;
      taken = isDue && !isFirst ? 0 : taken + text.length;
      if (isDue && !isOwed) send(emit);
      isOwed = isFirst || (isOwed && !isDue);
    },
    flush(emit) {
      assertWell();
      rest();
      send(emit);
    },
    reset() {
      clearTimeout(timer);
      waiting = '';
      rest();
      isUnderWay = false;
      failure = undefined;
    },
  };
}

/** Whether text ends with the first half of a pair. */
function isHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}
