import type { CotableError } from '../errors.ts';

/**
 * One open pipe of messages between two sides. It keeps their order and loses nothing but its tail: when it closes, what
 * was sent last may not have arrived. It never reconnects.
 */
export interface Link {
  /** Queues one message. The bytes may not be changed afterwards. Before `opened` and on a closed link it does nothing. */
  send(message: Uint8Array): void;
  /** Bytes handed to `send` that have not left this process yet. */
  readonly buffered: number;
  /**
   * Closes it, after what was sent before. `reason` reaches the other side's `closed` where the transport can carry it. `closed` of this side is
   * called too, once, with the same reason, before `close` returns. Closing twice does nothing.
   */
  close(reason?: CotableError): void;
  /** On a relay: the other side has said who it is, and is no stranger any more. Only an acceptor that treats strangers otherwise has it. */
  greeted?(): void;
}

/** What a link tells the side that holds it. Nothing is called before `connect` or `accept` has returned, nor after `closed`. */
export interface LinkEvents {
  /** It is open: `send` works from here on. Called once, before the first `message`. */
  opened(): void;
  /** A message arrived. The bytes belong to the receiver: they are a copy that nobody else writes to. */
  message(message: Uint8Array): void;
  /** It is gone, or was never opened. Called exactly once. `reason` is there when one side gave one. */
  closed(reason?: CotableError): void;
}

/** How a store reaches a relay. */
export interface Transport {
  /** Opens one link. Failing to open is `events.closed`, never a throw. */
  connect(events: LinkEvents): Link;
  /**
   * Whether trying makes sense now (the browser says it is offline, a switch is off). `listener` is called with the
   * present answer at once and with each change; the function returned stops that. Left out: always.
   */
  available?(listener: (available: boolean) => void): () => void;
}

/** What a relay knows of a link before its first message. */
export interface LinkOrigin {
  readonly ip: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** How links reach a relay. */
export interface Acceptor {
  /** Hands each new link to `accept`, which returns who listens to it. Called once. */
  start(accept: (link: Link, origin: LinkOrigin) => LinkEvents): void;
  /** Takes no more links. Open ones stay: the relay closes them. */
  stop(): void;
}

/** How a store reaches its relay, for what opens links of its own there: as the same user, into the same room. */
export interface RelayConnection {
  readonly room: string;
  /** None: the store has no relay. */
  readonly transports: readonly Transport[];
  /** Who the app says it is, if it does. */
  readonly userId: string | undefined;
  /** Resolves with what the store calls itself to the relay, as soon as that is known. */
  identify(): Promise<string>;
  /** Asked before each greeting, and for a fresh one while a link is open. `undefined`: the app gives none. */
  readonly token: (() => string | Promise<string>) | undefined;
}
