import type { RelayConnection, Transport } from '../ports/transport.ts';
import type { ClientStorage } from '../ports/client-storage.ts';
import type { CotableError } from '../errors.ts';
import type { EventContract, Events, EventTypes, SyncResponse } from '../schema/events.ts';

export interface SyncClientOptions {
  /** How to reach the relay: a transport, or a store, whose ways, room and identity are then used. */
  readonly link: Transport | { readonly connection: RelayConnection };
  /** Rooms whose events are heard from the start, see `join`. Default: the room of the store, or none. */
  readonly rooms?: readonly string[];
  /** Shown to the relay whenever a room is entered; a function is asked each time. With a store: that of the store. */
  readonly token?: string | (() => string | Promise<string>);
  /** Who asks; taken only by a relay that does not authenticate. It also tells whose requests wait on this device. */
  readonly userId?: string;
  /** In which language messages are wanted, as `Accept-Language` says it. Default: that of the browser. */
  readonly locale?: string;
  readonly offlineQueue?: OfflineQueueOptions;
  /** For how long the relay may leave a request unheard that was sent to it. Default: 30 s. */
  readonly requestTimeoutMs?: number;
}

/** How requests wait while there is no link. */
export interface OfflineQueueOptions {
  /** As many may wait that were not sent before. Default: 200. */
  readonly maxSize?: number;
  /** Who waits longer, and was not sent before, is dropped: `offline.dropped` with the reason `expired`. Default: an hour. */
  readonly maxAgeMs?: number;
  /**
   * Who gives way when the queue is full. `drop-oldest` (the default): of those the one that has waited longest, with `offline.dropped` and the
   * reason `full`. `reject`: the new one, with `offline.queueFull`.
   */
  readonly dropPolicy?: 'drop-oldest' | 'reject';
  /**
   * Where they outlive the tab. Default: IndexedDB where there is one; elsewhere they are kept in memory alone. What a storage
   * cannot keep waits in memory, too.
   */
  readonly storage?: ClientStorage;
  /** Tells queues of one device apart. Clients of two relays in pages of one origin need two names. Default: `events`. */
  readonly name?: string;
}

/** The types of one version of an event. */
type TypesOf<E, N, V> =
  E extends Events<infer C> ? (N extends keyof C ? (V extends keyof C[N] ? Extract<C[N][V], EventTypes> : never) : never) : never;
type ContractOf<E> = [E] extends [never] ? never : E extends Events<infer C> ? C : never;

export type EventName<E> = [E] extends [never] ? never : keyof ContractOf<E> & string;
export type EventVersion<E, N extends EventName<E>> = keyof ContractOf<E>[N] & string;

/** What is asked for. */
export interface SyncRequestOf<E, N extends EventName<E>, V extends EventVersion<E, N>> extends SyncRequestOptions {
  readonly name: N;
  readonly version: V;
  /** Sent as `JSON.stringify` writes it. */
  readonly data: TypesOf<E, N, V>['input'];
  /**
   * Called with each piece that the handler says to who asked (`stream`), in order, before the promise resolves. When the relay had
   * to begin the handler again, its pieces come again from the first.
   */
  readonly onStream?: CallbackOf<TypesOf<E, N, V>['serverStream']>;
}

export interface SyncRequestOptions {
  /** The room whose members get the event. It need not have been joined. */
  readonly receiver: string;
  /** No session of this user gets the event. Default: `false`. */
  readonly ignoreSelf?: boolean;
  /** Nothing runs, and the answer is `sync.noReceiversFound`, when nobody is there. Default: `false`. */
  readonly requireReceivers?: boolean;
  /** Asking again with the same key is the same request: it runs once. Left out: each call is a request of its own. */
  readonly idempotencyKey?: string;
  /** Aborting it ends the wait with `request.aborted`, and tells the handler. */
  readonly signal?: AbortSignal;
  /**
   * For how long nothing may be heard of a request that was sent: neither that it was taken, nor a piece, nor the answer; then it is
   * `sync.requestTimeout`. Left out: `requestTimeoutMs` until the relay has taken it, and from then on as long as it takes.
   */
  readonly timeoutMs?: number;
}

type CallbackOf<Piece> = [Piece] extends [never] ? never : (piece: Piece) => void;
type PieceOf<T extends EventTypes> = T['serverStream'] | T['clientStream'];

interface Occurrence {
  /** Where. */
  readonly room: string;
  /** One run of the handlers: equal in its pieces and in what it ends with. */
  readonly run: string;
}

/** What the handlers of an event made of a request. */
export interface SyncDelivery<T extends EventTypes> extends Occurrence {
  readonly status: 'success';
  readonly serverOutput: T['serverOutput'];
  /** `{}` without a handler for each recipient. */
  readonly clientOutput: T['clientOutput'];
}
/** A piece that they said while they worked. */
export interface SyncPiece<T extends EventTypes> extends Occurrence {
  readonly status: 'stream';
  readonly stream: PieceOf<T>;
}

/** What a callback gets: pieces, if the event has any, and then the delivery. */
export type SyncEvent<E, N extends EventName<E>, V extends EventVersion<E, N>> = SyncDelivery<TypesOf<E, N, V>> | StreamEvent<E, N, V>;
type StreamEvent<E, N, V> = [PieceOf<TypesOf<E, N, V>>] extends [never] ? never : SyncPiece<TypesOf<E, N, V>>;

/** How one room stands. */
export interface SyncRoomStatus {
  /** `denied`: the relay lets this user not in; it is asked again and again. */
  readonly state: 'connecting' | 'online' | 'offline' | 'denied';
  /** Why the last link ended. */
  readonly reason: CotableError | undefined;
}

export interface SyncStatus {
  /** The rooms that are joined, or that something was asked of, until a short while after; one that is left goes at once when nothing is. */
  readonly rooms: Readonly<Record<string, SyncRoomStatus>>;
  /** How many requests wait for a link. */
  readonly waiting: number;
}

/** What a client can do whatever its events are. */
export interface AnySyncClient {
  /** Hears the events of a room from now on. Joining twice is joining once. Throws `room.invalidName`. */
  readonly join: (room: string) => void;
  /** Hears no more of it. What was asked of it goes on. */
  readonly leave: (room: string) => void;
  /** How it stands: another object after each change. */
  readonly status: SyncStatus;
  /** `changed` is called after each change of `status`, until the function returned is called. */
  readonly subscribe: (changed: () => void) => () => void;
  /**
   * Ends all links. Requests that wait on this device stay there, for the next client: who waits for their answers gets
   * `offline.kept`, others `sync.ioUnavailable`. Resolves when the storage is let go.
   */
  readonly close: () => Promise<void>;
}

/**
 * Room events of one backend. Its functions need no `this`. Every room has a link of its own, which comes back by itself; who made the client
 * closes it.
 */
export interface SyncClient<E extends Events<EventContract>> extends AnySyncClient {
  /**
   * Asks for an event and gives its answer. Never rejects.
   *
   * Without a link the request waits, in order, on this device where it can (see `OfflineQueueOptions`); the page that opens next goes on
   * with it. It is sent under one idempotency key as often as it takes: its handler runs once.
   *
   * Codes of this side: `routing.invalidServiceRouteName`, `sync.invalidName`, `sync.invalidVersion`, `sync.missingReceiver`,
   * `room.invalidName`, `sync.invalidRequest` (its key), `value.notJson`, `protocol.frameTooLarge`, `action.idempotencyMismatch`, `sync.ioUnavailable` (the client was closed,
   * or the store has no relay), `offline.queueFull`, `offline.dropped`, `offline.kept`, `sync.requestTimeout`, `request.aborted`, `sync.invalidServerResponse`,
   * and what the relay refused the room with (`auth.*`, `room.*`, `protocol.*`).
   */
  readonly syncRequest: <N extends EventName<E>, V extends EventVersion<E, N>>(
    request: SyncRequestOf<E, N, V>,
  ) => Promise<SyncResponse<TypesOf<E, N, V>['serverOutput']>>;
  /**
   * Hears an event in all rooms that are joined: `callback` is called once for each piece and once for each delivery, behind the pieces of
   * its run. It takes the place of the one given before for this name and version. The function returned ends that; it does nothing once
   * another has taken its place. What `callback` throws is thrown in a turn of its own, for the page's handler of uncaught errors. Throws `routing.invalidServiceRouteName`, `sync.invalidVersion` or `sync.invalidCallback`.
   */
  readonly upsertSyncEventCallback: <N extends EventName<E>, V extends EventVersion<E, N>>(registration: {
    readonly name: N;
    readonly version: V;
    readonly callback: (event: SyncEvent<E, N, V>) => void;
  }) => () => void;
  /** The same for pieces alone. It stands beside the other callback of the event. */
  readonly upsertSyncEventStreamCallback: <N extends EventName<E>, V extends EventVersion<E, N>>(registration: {
    readonly name: N;
    readonly version: V;
    readonly callback: CallbackOf<StreamEvent<E, N, V>>;
  }) => () => void;
}
