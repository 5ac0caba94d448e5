import { CotableError } from '../errors.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Link, Transport } from '../ports/transport.ts';
import type { FailedFrame, PingFrame } from '../protocol/frames.ts';
import { createMessageBatch, splitMessage } from '../protocol/message.ts';

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** A link that has not opened and been welcomed by then is given up. */
const GREETING_MS = 10_000;
const PING_AFTER_MS = 20_000;
const PONG_WITHIN_MS = 10_000;
/** A link that ends so is given up only to greet anew. */
const TO_GREET_ANEW: ReadonlySet<string> = new Set(['writer.fenced', 'room.lineageChanged', 'auth.expired']);
/** More waits in the outbox while this much has not left the tab. */
const MAX_BUFFERED = 256 * 1024;

/** What is said over a link. */
export interface Wire<Out, In> {
  encode(frame: Out | PingFrame): Uint8Array;
  /** Throws a `CotableError` for what the relay does not say. */
  decode(bytes: Uint8Array): In | FailedFrame;
}

/** One link while it lives. */
export interface OpenLink<Out> {
  send(frame: Out): void;
  /** Whether more may be sent for now. */
  readonly hasRoom: boolean;
  /** Whether it has closed. */
  readonly isClosed: boolean;
  close(reason?: CotableError): void;
}

export interface ConnectorEvents<Out, In> {
  opened(link: OpenLink<Out>): void;
  /** Frames of the present link only, in order, but `failed`, which is the reason of the loss. A throw closes the link. */
  frame(frame: In, link: OpenLink<Out>): void;
  /** No link, and none is being opened: `reason` is why the last one ended. Called after each link, and when the way is cut. */
  lost(reason: CotableError | undefined): void;
  /** A link is being opened. */
  trying(): void;
}

/**
 * Keeps one link to a relay: opens it, beats its heart, opens the next after it was lost. Waits with full jitter
 * (a random part of a delay that doubles up to 30 s; Brooker, "Exponential Backoff and Jitter", 2015), and
 * tries at once when a transport says that the way is free again. With several transports each try takes the next.
 */
export interface Connector {
  start(): void;
  /** The relay does what is wanted of it: the next loss begins with a short delay again. */
  settled(): void;
  close(): void;
}

export function createConnector<Out, In>(
  transports: readonly Transport[],
  wire: Wire<Out, In>,
  clock: Clock,
  random: Random,
  events: ConnectorEvents<Out, In>,
): Connector {
  let attempt = 0;
  let current: OpenLink<Out> | undefined;
  let cancelWait: (() => void) | undefined;
  let closed = false;
  /** The present try was made without waiting, and nothing has come of it yet. */
  let wasAtOnce = false;
  const isAvailable = transports.map(() => true);
  const stopWatching: (() => void)[] = [];

  function nextTransport(): Transport | undefined {
    const usable = transports.filter((_, index) => isAvailable[index]);
    return usable[attempt % Math.max(1, usable.length)];
  }

  function connect(): void {
    cancelWait?.();
    cancelWait = undefined;
    const transport = nextTransport();
    if (closed || current || !transport) return;
    attempt += 1;
    events.trying();
    current = openLink(transport, wire, clock, events, (reason) => {
      current = undefined;
      if (closed) return;
      events.lost(reason);
      // Given up only to greet anew: nobody is in trouble, unless it happens again before anything comes of it.
      const isToGreetAnew = reason !== undefined && TO_GREET_ANEW.has(reason.code);
      wasAtOnce = isToGreetAnew && !wasAtOnce;
      wait(wasAtOnce ? 0 : undefined);
    });
  }

  function wait(ms = random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 10))): void {
    if (closed || current || cancelWait) return;
    cancelWait = clock.after(ms, () => {
      cancelWait = undefined;
      connect();
    });
  }

  return {
    start() {
      transports.forEach((transport, index) => {
        const stop = transport.available?.((available) => {
          const changed = isAvailable[index] !== available;
          isAvailable[index] = available;
          if (!changed) return;
          if (available) {
            attempt = 0;
            connect();
          } else if (!nextTransport()) {
            current?.close();
          }
        });
        if (stop) stopWatching.push(stop);
      });
      if (nextTransport()) connect();
      else events.lost(undefined);
    },
    settled() {
      attempt = 0;
      wasAtOnce = false;
    },
    close() {
      closed = true;
      for (const stop of stopWatching) stop();
      cancelWait?.();
      current?.close();
    },
  };
}

function openLink<Out, In>(
  transport: Transport,
  wire: Wire<Out, In>,
  clock: Clock,
  events: ConnectorEvents<Out, In>,
  ended: (reason?: CotableError) => void,
): OpenLink<Out> {
  let isClosed = false;
  let failure: CotableError | undefined;
  let cancelTimer = clock.after(GREETING_MS, () => timeout(GREETING_MS));

  function timeout(ms: number): void {
    link.close(new CotableError('protocol.timeout', { ms }));
  }

  /** Anything heard is a sign of life. */
  function heard(): void {
    cancelTimer();
    cancelTimer = clock.after(PING_AFTER_MS, () => {
      send({ type: 'ping' });
      cancelTimer = clock.after(PONG_WITHIN_MS, () => timeout(PING_AFTER_MS + PONG_WITHIN_MS));
    });
  }

  function send(frame: Out | PingFrame): void {
    if (!isClosed) batch.frame(wire.encode(frame));
  }

  const open: OpenLink<Out> = {
    send,
    get hasRoom() {
      return !isClosed && link.buffered < MAX_BUFFERED;
    },
    get isClosed() {
      return isClosed;
    },
    close(reason) {
      if (isClosed) return;
      batch.flush();
      link.close(reason);
    },
  };

  const link: Link = transport.connect({
    opened: () => events.opened(open),
    message(message) {
      try {
        for (const bytes of splitMessage(message)) {
          if (isClosed) return;
          const frame = wire.decode(bytes);
          heard();
          if (isFailed(frame)) failure = new CotableError<string>(frame.code, frame.params);
          else events.frame(frame, open);
        }
      } catch (error) {
        open.close(
          error instanceof CotableError ? error : new CotableError('protocol.badFrame', { problem: String(error) }, { cause: error }),
        );
      }
    },
    closed(reason) {
      isClosed = true;
      cancelTimer();
      ended(failure ?? reason);
    },
  });
  const batch = createMessageBatch((message) => link.send(message), clock.soon);
  return open;
}

function isFailed(frame: unknown): frame is FailedFrame {
  return typeof frame === 'object' && frame !== null && 'type' in frame && frame.type === 'failed';
}
