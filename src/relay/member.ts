import { asCotableError, CotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Link, LinkEvents, LinkOrigin } from '../ports/transport.ts';
import { decodeFrame, encodeFrame } from '../protocol/codec.ts';
import type { AskFrame, ByeFrame, CallFrame, CancelFrame, HelloFrame, MutateFrame, RelayFrame } from '../protocol/frames.ts';
import { createMessageBatch, splitMessage } from '../protocol/message.ts';
import type { ResumeFrame } from '../protocol/stream-frames.ts';
import { decodeSyncFrame } from '../protocol/sync-codec.ts';
import type { DropFrame, EnterFrame, ListenFrame, SyncFrame } from '../protocol/sync-frames.ts';
import { forStrangers } from './for-strangers.ts';
import type { Guard } from './guard.ts';
import type { Limits } from './limits.ts';
import type { Author } from './room.ts';
import { createStanding } from './standing.ts';

const DRAIN_STEP_MS = 10;

/** One link, from its first byte to its last. */
export interface Member extends Author {
  readonly userId: string;
  /** Names this link and no other. */
  readonly sessionId: string;
  /** Empty before it said hello. */
  readonly room: string;
  readonly ip: string;
  send(frame: RelayFrame): void;
  /** A message made once for many members. */
  sendMessage(message: Uint8Array): void;
  /** The same, without waiting for what else the present turn brings. */
  sendNow(message: Uint8Array): void;
  /** Bytes that wait for this link. */
  readonly buffered: number;
  /**
   * Resolves when no more than `bytes` wait for this link (left out: `limits.catchUpBytes`), so that it can take more of
   * what is not urgent. Rejects when it is gone, and with `tooSlow` when it takes too long.
   */
  drained(bytes?: number, tooSlow?: () => CotableError): Promise<void>;
  /** Tells the other side why, and closes. */
  fail(error: CotableError): void;
  /** Asks again what it may do in its room, and closes it when that is nothing. Resolves when that is done. */
  recheck(): Promise<void>;
}

/** What a link leads to once its first frame is read. */
export interface MemberHost {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly guard: Guard;
  readonly sessionId: string;
  /** Whether a link without tables may be of nobody that is known. */
  readonly isOpen: boolean;
  /** Throws why this relay cannot serve the store, whoever it is. */
  check(first: FirstFrame): void;
  /**
   * Greets a link of somebody who is known: answers its first frame, sends what it lacks, and from then on what is committed. `seated` is called with the
   * welcome: a store may write as soon as it has what the welcome told of, while the relay still sends what came since.
   */
  join(member: Member, first: FirstFrame, seated: (seat: Seat) => void): Promise<void>;
}

/** With which a link says who it is. */
export type FirstFrame = HelloFrame | EnterFrame;

/** A member's place in a room. */
export interface Seat {
  mutate(frame: MutateFrame): void;
  call(frame: CallFrame): void;
  ask(frame: AskFrame): void;
  cancel(frame: CancelFrame): void;
  resume(frame: ResumeFrame): void;
  listen(frame: ListenFrame): void;
  sync(frame: SyncFrame): void;
  drop(frame: DropFrame): void;
  bye(frame: ByeFrame): void;
  leave(): void;
}

/**
 * Reads what comes over a link and answers it. Whatever does not fit closes the link with a code that the other side
 * sees; nothing that was accepted before is touched by that.
 */
export function createMember(link: Link, origin: LinkOrigin, host: MemberHost): { readonly member: Member; readonly events: LinkEvents } {
  const { clock, limits, logger } = host;
  let first: FirstFrame | undefined;
  let seat: Seat | undefined;
  let isClosed = false;
  /** What came before the seat. */
  const greeting = { bytes: 0, frames: 0 };
  /** The last words are being sent. */
  let isFailing = false;
  const cancelGreeting = clock.after(limits.helloMs, () => fail(new CotableError('protocol.timeout', { ms: limits.helloMs })));
  const batch = createMessageBatch(transmit, clock.soon);
  const standing = createStanding({ guard: host.guard, clock, origin, tell: (frame) => member.send(frame), expired: fail });

  const member: Member = {
    get userId() {
      return standing.userId;
    },
    get isReader() {
      return standing.isReader;
    },
    get session() {
      return standing.session;
    },
    sessionId: host.sessionId,
    ip: origin.ip,
    get room() {
      return first?.room ?? '';
    },
    send(frame) {
      if (!isClosed) batch.frame(encodeFrame(frame));
    },
    sendMessage(message) {
      if (!isClosed) batch.message(message);
    },
    sendNow(message) {
      if (!isClosed) batch.messageNow(message);
    },
    get buffered() {
      return link.buffered;
    },
    drained,
    fail,
    recheck: () => unless(standing.recheck()),
  };

  /** There is no event for it: a reader that is slow enough to be waited for is slow enough to be asked again. */
  async function drained(
    bytes = limits.catchUpBytes,
    tooSlow = () => new CotableError<string>('limit.bytes', { bytes: link.buffered, limit: bytes }),
  ): Promise<void> {
    batch.flush();
    for (let waited = 0; !isClosed && link.buffered > bytes; waited += DRAIN_STEP_MS) {
      if (waited >= limits.drainMs) throw tooSlow();
      await new Promise<void>((resolve) => clock.after(DRAIN_STEP_MS, resolve));
    }
    if (isClosed) throw new CotableError('protocol.timeout', { ms: 0 });
  }

  function transmit(message: Uint8Array): void {
    if (isClosed) return;
    link.send(message);
    // A reader that does not keep up hurts only itself: it is let go, and catches up from the log when it comes back.
    if (link.buffered > limits.bufferedBytes && !isFailing)
      fail(new CotableError('limit.bytes', { bytes: link.buffered, limit: limits.bufferedBytes }));
  }

  function fail(error: CotableError): void {
    if (isClosed || isFailing) return;
    isFailing = true;
    logger.warn({ code: error.code, params: error.params, ip: origin.ip, userId: member.userId, cause: error.cause }, 'link closed');
    const reason = forStrangers(error);
    batch.frame(encodeFrame({ type: 'failed', code: reason.code, params: reason.params }));
    batch.flush();
    link.close(reason);
  }

  function read(bytes: Uint8Array): void {
    if (bytes.length > limits.frameBytes)
      throw new CotableError('protocol.frameTooLarge', { bytes: bytes.length, limit: limits.frameBytes });
    const frame = decodeSyncFrame(bytes) ?? decodeFrame(bytes);
    switch (frame.type) {
      case 'hello':
      case 'enter':
        if (first) throw new CotableError('protocol.badFrame', { problem: `a second ${first.type}` });
        first = frame;
        return greet(frame);
      case 'auth':
        if (!seat || member.userId === '') throw new CotableError('protocol.badFrame', { problem: 'a fresh token before the welcome' });
        return void unless(standing.refresh(frame.token));
      case 'mutate':
        if (!seat) throw new CotableError('protocol.badFrame', { problem: 'a mutation before the welcome' });
        return seat.mutate(frame);
      case 'call':
        if (!seat) throw new CotableError('protocol.badFrame', { problem: 'a call before the welcome' });
        return seat.call(frame);
      case 'ask':
        return seat?.ask(frame);
      case 'cancel':
        return seat?.cancel(frame);
      case 'resume':
        return seat?.resume(frame);
      case 'listen':
        return seat?.listen(frame);
      case 'sync':
        if (!seat) throw new CotableError('protocol.badFrame', { problem: 'a request before the welcome' });
        return seat.sync(frame);
      case 'drop':
        return seat?.drop(frame);
      case 'bye':
        return seat?.bye(frame);
      case 'ping':
        return member.send({ type: 'pong' });
      default:
        throw new CotableError('protocol.badFrame', { problem: `a store does not send ${frame.type}` });
    }
  }

  /** Nobody needs much to say who it is. */
  function countGreeting(bytes: number): void {
    greeting.bytes += bytes;
    if (greeting.bytes > limits.greetingBytes)
      throw new CotableError('protocol.frameTooLarge', { bytes: greeting.bytes, limit: limits.greetingBytes });
    greeting.frames += 1;
    if (greeting.frames > limits.greetingFrames)
      throw new CotableError('protocol.badFrame', { problem: `more than ${limits.greetingFrames} frames before the welcome` });
  }

  function greet(frame: FirstFrame): void {
    host.check(frame);
    void unless(
      standing.enter(frame, frame.type === 'enter' && host.isOpen).then(async () => {
        cancelGreeting();
        if (isClosed || isFailing) return;
        await host.join(member, frame, (taken) => void (seat = taken));
        // It may have gone while it was greeted.
        if (isClosed) seat?.leave();
      }),
    );
  }

  /** Closes the link unless this works out. */
  function unless(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => fail(toError(error)));
  }

  const events: LinkEvents = {
    opened: () => undefined,
    message(message) {
      try {
        for (const bytes of splitMessage(message)) {
          if (isClosed || isFailing) return;
          if (!seat) countGreeting(bytes.length);
          read(bytes);
        }
      } catch (error) {
        fail(toError(error));
      }
    },
    closed() {
      isClosed = true;
      cancelGreeting();
      standing.end();
      seat?.leave();
    },
  };
  return { member, events };
}

function toError(error: unknown): CotableError {
  return asCotableError(error, (reason) => new CotableError('storage.unavailable', { reason }, { cause: error }));
}
