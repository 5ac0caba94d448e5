import { CotableError, isCotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { DropFrame, SyncFrame } from '../protocol/sync-frames.ts';
import type { SyncResponse } from '../schema/events.ts';
import type { RequestQueue, StoredRequest } from './sync-queue.ts';
import { isRunOf, isSame, readResponse, secondsToWait, toFrame, tooLarge, type UntypedRequest } from './sync-request.ts';
import type { OfflineQueueOptions } from './sync-types.ts';

/** The way to one room. */
export interface Way {
  /** Who the relay takes this side for; `undefined`: it is not entered. */
  readonly enteredAs: string | undefined;
  send(frame: SyncFrame | DropFrame): void;
}

/** What was asked for and is not answered. */
export interface Requests {
  ask(request: UntypedRequest): Promise<SyncResponse>;
  /** How many wait for a link. */
  readonly waiting: number;
  /** Rooms of which something is wanted. */
  isWanted(room: string): boolean;
  /** Sends what waits for a room. */
  flush(room: string): void;
  /** `reason`: why, if the relay has said. */
  lost(room: string, reason: CotableError | undefined): void;
  refused(room: string, error: CotableError): void;
  /** Whether somebody wants what was said of it while there was no link. */
  taken(request: string, run: string): boolean;
  /** The run of a request that was taken. */
  runOf(request: string): string | undefined;
  answer(request: string, body: string): void;
  hasListener(run: string): boolean;
  piece(run: string, piece: unknown): void;
  close(): Promise<void>;
}

interface Waiter {
  readonly settle: (response: SyncResponse) => void;
  readonly onStream: ((piece: unknown) => void) | undefined;
}

interface Pending {
  readonly room: string;
  /** What is to be sent: once nobody waits for it any more, that. */
  frame: SyncFrame | DropFrame;
  /** When it was asked for; no two are of the same millisecond, so that it tells their order too. */
  readonly at: number;
  /** `undefined`: nobody has said yet. */
  userId: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly waiters: Set<Waiter>;
  /** Over the present link. */
  isSent: boolean;
  /** When it was first sent, over any link: from then on the relay may have it, and the queue has no say in what becomes of it. */
  sentAt: number | undefined;
  /** Over the present link, and over another one before. */
  isAgain: boolean;
  isKept: boolean;
  run: string | undefined;
  cancelTimer: () => void;
}

/** A relay knows a request by its key for 24 hours. What would come to it later would run again. */
const KNOWN_MS = 23 * 3_600_000;

export function createRequests(options: {
  readonly clock: Clock;
  readonly queue: RequestQueue;
  readonly limits: Required<Pick<OfflineQueueOptions, 'maxSize' | 'maxAgeMs' | 'dropPolicy'>> & { readonly requestTimeoutMs: number };
  readonly locale: string;
  /** Who asks, if anybody has said. */
  readonly userId: () => string | undefined;
  /** Whether nothing can be asked any more. */
  readonly isClosed: () => boolean;
  /** The way to a room, opened if need be. */
  readonly way: (room: string) => Way;
  /** Runs what an app gave; what it throws is nobody's here. */
  readonly call: (run: () => void) => void;
  /** Something of this room is wanted no more, or otherwise. */
  readonly changed: (room: string) => void;
}): Requests {
  const { clock, queue, limits, way, call, changed } = options;
  /** In the order they were asked for. */
  const all = new Map<string, Pending>();
  const byRun = new Map<string, Pending>();
  /** Pieces for who asked that came, over a new link, ahead of the word which request they are of. */
  const early = new Map<string, unknown[]>();
  let cancelAge = (): void => undefined;
  /** Before, nobody knows which of them an earlier page has sent. */
  let isLoaded = false;
  let lastAt = 0;

  const stamp = (): number => (lastAt = Math.max(clock.now(), lastAt + 1));

  /** What has waited longest first. */
  const waitingOnes = (): Pending[] =>
    [...all.values()].filter(({ isSent, frame }) => !isSent && frame.type === 'sync').toSorted((a, b) => a.at - b.at);
  /** Until when it may wait. */
  const endOf = ({ at, sentAt }: Pending): number => (sentAt === undefined ? at + limits.maxAgeMs : sentAt + KNOWN_MS);
  const of = (room: string): Pending[] => [...all.values()].filter((pending) => pending.room === room);
  /** As far as anybody has said. What another user of the device left there is not looked at. */
  const isMine = ({ userId }: Pick<Pending, 'userId'>): boolean => {
    const who = options.userId();
    return who === undefined || userId === undefined || userId === who;
  };

  function remove(pending: Pending): void {
    pending.cancelTimer();
    all.delete(pending.frame.request);
    if (pending.run !== undefined) byRun.delete(pending.run);
    if (pending.isKept) queue.forget(pending.frame.request);
  }

  function settle(pending: Pending, response: SyncResponse): void {
    remove(pending);
    for (const { settle: tell } of pending.waiters) tell(response);
    changed(pending.room);
  }

  function fail(pending: Pending, error: CotableError): void {
    settle(pending, error.toJSON());
  }

  function transmit(pending: Pending): void {
    way(pending.room).send(pending.frame);
    if (pending.frame.type === 'drop') return remove(pending);
    pending.userId ??= options.userId();
    pending.isAgain = pending.sentAt !== undefined;
    pending.isSent = true;
    if (!pending.isAgain) {
      pending.sentAt = clock.now();
      if (pending.isKept) write(pending);
    }
    limit(pending, pending.timeoutMs ?? limits.requestTimeoutMs);
  }

  /** How long nothing may be heard of it from now on. */
  function limit(pending: Pending, ms: number | undefined): void {
    pending.cancelTimer();
    if (ms === undefined) return;
    pending.cancelTimer = clock.after(ms, () => timeOut(pending, ms));
  }

  function timeOut(pending: Pending, ms: number): void {
    const { frame } = pending;
    fail(pending, new CotableError('sync.requestTimeout', { name: frame.type === 'sync' ? frame.name : '', ms }));
  }

  function give(pending: Pending, piece: unknown): void {
    limit(pending, pending.timeoutMs);
    for (const { onStream } of pending.waiters) if (onStream) call(() => onStream(piece));
  }

  /** It waits for a link, and on the device if it is known whose it is. */
  function keep(pending: Pending): void {
    pending.isSent = false;
    if (!pending.isKept) write(pending);
    dropOld();
  }

  function write(pending: Pending): void {
    const { room, frame, at, sentAt, userId } = pending;
    if (userId === undefined || frame.type !== 'sync') return;
    pending.isKept = true;
    queue.keep({ room, frame, at, sentAt, userId });
  }

  function dropOld(): void {
    cancelAge();
    if (!isLoaded) return;
    const [next] = waitingOnes().toSorted((a, b) => endOf(a) - endOf(b));
    if (!next) return;
    const left = endOf(next) - clock.now();
    if (left > 0) {
      cancelAge = clock.after(left, dropOld);
      return;
    }
    if (next.sentAt === undefined) fail(next, new CotableError('offline.dropped', { reason: 'expired' }));
    else timeOut(next, KNOWN_MS);
    dropOld();
  }

  /** Whether there is room for one more; it is made, or else that one is told. */
  function hasRoom(pending: Pending): boolean {
    const before = waitingOnes().filter((other) => other !== pending && other.sentAt === undefined);
    if (!isLoaded || pending.sentAt !== undefined || before.length < limits.maxSize) return true;
    const [oldest] = before;
    const goes = limits.dropPolicy === 'reject' || !oldest ? pending : oldest;
    const isNone = goes === pending;
    fail(
      goes,
      isNone ? new CotableError('offline.queueFull', { size: limits.maxSize }) : new CotableError('offline.dropped', { reason: 'full' }),
    );
    return !isNone;
  }

  function flush(room: string): void {
    if (way(room).enteredAs === undefined) return changed(room);
    dropOld();
    for (const pending of of(room)) if (!pending.isSent && isMine(pending)) transmit(pending);
    changed(room);
  }

  function add(
    room: string,
    frame: SyncFrame,
    given: Partial<Pick<Pending, 'at' | 'sentAt' | 'userId' | 'timeoutMs' | 'isKept'>>,
  ): Pending {
    const pending: Pending = {
      room,
      frame,
      at: given.at ?? stamp(),
      userId: given.userId,
      timeoutMs: given.timeoutMs,
      waiters: new Set(),
      isSent: false,
      sentAt: given.sentAt,
      isAgain: false,
      isKept: given.isKept ?? false,
      run: undefined,
      cancelTimer: () => undefined,
    };
    all.set(frame.request, pending);
    return pending;
  }

  /** Nobody waits for it: the relay is told, if it can have heard of it. */
  function abandon(pending: Pending): void {
    remove(pending);
    if (pending.sentAt === undefined || options.isClosed()) return changed(pending.room);
    pending.frame = { type: 'drop', request: pending.frame.request };
    pending.isKept = false;
    if (!pending.isSent) all.set(pending.frame.request, pending);
    else transmit(pending);
    changed(pending.room);
  }

  function ask(request: UntypedRequest): Promise<SyncResponse> {
    return new Promise((resolve) => {
      const frame = toFrame(request, options.locale);
      const { receiver: room, signal, timeoutMs } = request;
      if (options.isClosed()) throw new CotableError('sync.ioUnavailable', {});
      if (signal?.aborted) throw new CotableError('request.aborted', {});
      const known = all.get(frame.request);
      const isNew = known?.frame.type !== 'sync';
      if (!isNew && !isFor(known, room, frame))
        throw new CotableError('action.idempotencyMismatch', { name: request.name, key: frame.request });
      const pending = isNew ? add(room, frame, { userId: options.userId(), timeoutMs, sentAt: known?.sentAt }) : known;
      const waiter: Waiter = {
        onStream: request.onStream,
        settle(response) {
          signal?.removeEventListener('abort', aborted);
          resolve(response);
        },
      };
      const aborted = (): void => {
        pending.waiters.delete(waiter);
        if (pending.waiters.size === 0) abandon(pending);
        waiter.settle(new CotableError('request.aborted', {}).toJSON());
      };
      signal?.addEventListener('abort', aborted, { once: true });
      pending.waiters.add(waiter);
      if (!isNew) return;
      if (way(room).enteredAs !== undefined) transmit(pending);
      else if (hasRoom(pending)) keep(pending);
      changed(room);
    });
  }

  void queue.loaded.then((stored: readonly StoredRequest[]) => {
    if (options.isClosed()) return;
    isLoaded = true;
    const asked = [...all.values()];
    all.clear();
    const mine = stored.filter(isMine);
    for (const { room, frame, at, sentAt, userId } of mine) add(room, frame, { at, sentAt, userId, isKept: true });
    // What was asked for in the meantime is younger; the same again has somebody who waits for it.
    for (const pending of asked) {
      const earlier = all.get(pending.frame.request);
      all.set(pending.frame.request, pending);
      const { room, frame } = pending;
      if (earlier?.sentAt && endOf(earlier) > clock.now() && frame.type === 'sync' && isFor(earlier, room, frame)) {
        pending.sentAt = earlier.sentAt;
        write(pending);
      }
      hasRoom(pending);
    }
    dropOld();
    for (const room of new Set(mine.map((one) => one.room))) flush(room);
  });

  return {
    ask: (request) =>
      ask(request).catch((error: unknown) => {
        const failure = error instanceof CotableError ? error : new CotableError('value.notJson', { path: 'data', found: String(error) });
        return failure.toJSON();
      }),
    get waiting() {
      return waitingOnes().filter(isMine).length;
    },
    isWanted: (room) => of(room).some(isMine),
    flush,
    lost(room, reason) {
      const limit = isCotableError(reason, 'protocol.frameTooLarge') ? reason.params.limit : Infinity;
      for (const pending of of(room)) {
        if (!pending.isSent) continue;
        // Sent again it would cost the next link too.
        const refused = tooLarge(pending.frame, limit);
        if (refused) {
          fail(pending, refused);
          continue;
        }
        pending.cancelTimer();
        keep(pending);
      }
    },
    refused(room, error) {
      // Those of an earlier page wait on: nobody would hear why they were given up.
      for (const pending of of(room)) if (pending.waiters.size > 0) fail(pending, error);
    },
    taken(request, run) {
      const pending = all.get(request);
      if (!pending) return false;
      pending.run = run;
      byRun.set(run, pending);
      limit(pending, pending.timeoutMs);
      for (const piece of early.get(run) ?? []) give(pending, piece);
      early.delete(run);
      return pending.isAgain && hasListener(pending);
    },
    runOf: (request) => all.get(request)?.run,
    answer(request, body) {
      const pending = all.get(request);
      if (!pending) return;
      const response = readResponse(body) ?? new CotableError('sync.invalidServerResponse', {}).toJSON();
      const seconds = secondsToWait(response);
      if (seconds === undefined || !pending.isKept) return settle(pending, response);
      // All that waited came at once, which nobody could help: the rest goes when it may.
      if (!pending.isAgain) {
        // It was not taken, and never was before.
        pending.sentAt = undefined;
        write(pending);
      }
      pending.cancelTimer();
      pending.cancelTimer = clock.after(seconds * 1000, () => flush(pending.room));
      keep(pending);
    },
    hasListener: (run) => hasListener(byRun.get(run)),
    piece(run, piece) {
      const pending = byRun.get(run);
      if (pending) return give(pending, piece);
      const isOfOne = [...all.values()].some((one) => one.run === undefined && one.isAgain && hasListener(one) && isRunOf(one.frame, run));
      if (isOfOne) early.set(run, [...(early.get(run) ?? []), piece]);
      else early.clear();
    },
    async close() {
      cancelAge();
      const left = [...all.values()];
      all.clear();
      byRun.clear();
      for (const { cancelTimer } of left) cancelTimer();
      // What is on the device stays there, and who waits is told so.
      const told = left.map(async ({ frame: { request: key }, waiters }) => {
        const isKept = await queue.has(key);
        const error = isKept ? new CotableError('offline.kept', { key }) : new CotableError('sync.ioUnavailable', {});
        for (const { settle: tell } of waiters) tell(error.toJSON());
      });
      await Promise.all(told);
      await queue.close();
    },
  };
}

function isFor(pending: Pending, room: string, frame: SyncFrame): boolean {
  return pending.room === room && pending.frame.type === 'sync' && isSame(pending.frame, frame);
}

function hasListener(pending: Pending | undefined): boolean {
  return [...(pending?.waiters ?? [])].some(({ onStream }) => onStream);
}
