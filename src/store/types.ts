import type { Observable } from 'rxjs';
import type { CotableError } from '../errors.ts';
import type { Durability } from '../ports/client-storage.ts';
import type { RelayConnection } from '../ports/transport.ts';
import type {
  ActionName,
  AnySchema,
  InOf,
  MutatorName,
  ResultOf,
  RowOf,
  StreamPieceOf,
  StreamStateOf,
  TableName,
} from '../schema/schema.ts';

/** What a mutation returns once its effect is visible. */
export interface MutationReceipt {
  /** The mutation's name for ever. */
  readonly id: string;
  /** Resolves when this device has it on disk; rejects with `storage.notDurable` where nothing is, or another `storage.*` error. */
  readonly stored: Promise<void>;
  /** Resolves when the relay keeps it; rejects with the refusal's code after the rollback. */
  readonly confirmed: Promise<void>;
}

/** A row that came (`before` undefined), went (`after` undefined) or changed. */
export interface Change<Row> {
  readonly key: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

/**
 * Rows that can be read now and observed. Everything is synchronous. Lists are ordered by key, and lists and rows stay
 * the same objects for as long as nothing in them changes.
 */
export interface LiveQuery<Row> {
  list(): readonly Row[];
  entries(): readonly (readonly [key: string, row: Row])[];
  first(): Row | undefined;
  count(): number;
  /** The present list at once, then once per change, after all tables of that change are written. */
  readonly rows$: Observable<readonly Row[]>;
  /** What changed, once per change. Nothing at the beginning. */
  readonly changes$: Observable<readonly Change<Row>[]>;
}

/** A table of the store: the query of all its rows. */
export interface TableView<Row> extends LiveQuery<Row> {
  get(key: string): Row | undefined;
  has(key: string): boolean;
  /** The present row at once, then whenever it or its pending state changes. `pending`: not all of it is kept by the relay yet. */
  row$(key: string): Observable<{ readonly row: Row | undefined; readonly pending: boolean }>;
}

/**
 * - `loading`: what the device holds is being read; reads find nothing yet.
 * - `offline`: no way to the relay for now; the store tries again by itself. `reason`: why the last link ended, if known.
 * - `connecting`: a link is being opened, or the store is catching up.
 * - `online`: level with the relay; new mutations are sent at once.
 * - `alone`: no relay is configured; this device is the authority.
 * - `needs-auth`: the relay wants a token, or a better one, see `reason`; the store asks `token()` again at each try, and
 *   nothing is dropped.
 * - `denied`: the relay knows who this is, and does not let them in, see `reason`; the store tries again by itself, and
 *   nothing is dropped.
 * - `error`: the relay refuses this store, see `reason`; the store tries again by itself, and nothing is dropped.
 * - `closed`: `close()` was called.
 */
export type StoreState = 'loading' | 'offline' | 'connecting' | 'online' | 'alone' | 'needs-auth' | 'denied' | 'error' | 'closed';

export interface StoreStatus {
  readonly state: StoreState;
  readonly reason: CotableError | undefined;
  /** Mutations on this device that the relay has not confirmed. */
  readonly pending: number;
  /**
   * Whether what is written here outlives the tab.
   * - `true`: it is on disk, and the browser has promised to keep it.
   * - `'unknown'`: it is on disk, and will be there after a reload; but the browser has promised nothing. It may evict what
   *   a site keeps, and a private window, which no page can tell from others, forgets all when it closes. Also while loading.
   * - `false`: it is in memory only; `reason` says why.
   */
  readonly durable: Durability;
  /** Whether this user may write in the room, as far as the relay has last said; if not, mutations and calls are `auth.forbidden`. */
  readonly mayWrite: boolean;
}

/** A mutation that the relay has not judged. `sent`: by this tab, over the present link. */
export interface OutboxItem {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  /** When it was made: milliseconds since 1970. */
  readonly at: number;
  readonly state: 'waiting' | 'sent';
}

/** A mutation that was refused, or that could not run again on what the relay holds. It stays until it is dismissed. */
export interface Rejection {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly error: CotableError;
  /** Makes the mutation again, as a new one, and dismisses this record when that worked. Asked twice, it does so once. */
  retry(): Promise<MutationReceipt>;
  /** Takes this record off the list, and off the device. */
  dismiss(): void;
}

/**
 * `pending`: not known to have reached the relay. `queued`: the relay keeps it, and it has not begun. `running`: an attempt
 * is at work. `waiting`: for the next attempt. The others are how it ended.
 */
export type RunStatus = 'pending' | 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'canceled' | 'expired';

/** How an action is asked for. */
export interface CallOptions {
  /**
   * Asking again with the same key is the same run, from any device of the user, for 24 hours. Another input under the key
   * fails with `action.idempotencyMismatch`. 1 to 256 characters. A store without `userId` has to be `ready` first.
   */
  readonly idempotencyKey?: string;
  /**
   * What happens while the store is not `online`. `queue` (the default): the request waits on this device, over reloads too,
   * and goes out behind what was written before it. `reject`: the handle fails at once with `action.offline`.
   */
  readonly offline?: 'queue' | 'reject';
  /** The run ends as `expired` when it has not begun after this many milliseconds. Left out: it waits for ever. */
  readonly expiresIn?: number;
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal;
}

/** A run that was asked for. Awaiting the handle awaits its result. None of its promises raises `unhandledrejection`. */
export interface RunHandle<Result, Piece = never, State = never> extends PromiseLike<Result> {
  readonly id: string;
  /** Resolves when the relay keeps it: it will run, whatever becomes of this tab. Rejects when it never will. */
  readonly accepted: Promise<void>;
  /**
   * Resolves when it has succeeded and what it wrote is in this store. Rejects with the error of one that failed,
   * `run.canceled`, `run.expired`, `run.notFound` (of one that is looked up by its id), or `store.closed`.
   */
  readonly result: Promise<Result>;
  readonly status: RunStatus;
  /** The present status at once, then each change. Completes when the run has ended. */
  readonly status$: Observable<RunStatus>;
  /** What `result` resolves with, from the moment on in which `status` is `succeeded`; `undefined` otherwise. */
  readonly output: Result | undefined;
  /** What `result` rejects with, from the moment on in which `status` says that it has ended otherwise. */
  readonly error: CotableError | undefined;
  /** What it says while it works: `store.stream(name, id)`. */
  readonly stream: StreamView<Piece, State>;
  /**
   * Cancels it: from then on it can write nothing more, and its `onSettled` hears of it. Resolves when it has ended as
   * canceled; rejects with `run.terminal` when it ended otherwise, and with `run.notFound`. A request that has not left
   * this device is taken back at once; otherwise the wish is kept on this device until the relay has heard of it. Calling
   * it again changes nothing.
   */
  cancel(): Promise<void>;
}

/** The handle of an action's run. */
export type RunHandleOf<S extends AnySchema, N extends ActionName<S>> = RunHandle<
  ResultOf<S['actions'][N]>,
  StreamPieceOf<S['actions'][N]>,
  StreamStateOf<S['actions'][N]>
>;

/** A run of this user's, as it stands. */
export interface RunItem {
  readonly id: string;
  readonly name: string;
  /** What it was asked for with; `undefined` until the relay has told. */
  readonly input: unknown;
  readonly status: RunStatus;
}

/**
 * What a run says while it works, as far as it is for this user or session. Iterating gives its pieces from the beginning,
 * in the order they were said: of a text what is new as one string, of `items` each, of `value` the latest and no more.
 * Several may iterate at once, each as slowly as it likes; leaving the loop detaches it. The loop ends with the last piece.
 * It throws `stream.reset` when something was given and the stream begins with nothing again: the run in another attempt, or
 * on a new link, whose session is another one, when some of it was for sessions; or `stream.gone`, or `store.closed`.
 */
export interface StreamView<Piece, State> extends AsyncIterable<Piece> {
  /** What was said so far: the text, the list, or the latest value. A new attempt begins with nothing. */
  readonly state: State;
  /** The present state at once, then each change. Completes when nothing more comes. */
  readonly state$: Observable<State>;
  /** Whether it goes on, as far as this store shows: until `ended` is settled. */
  readonly open: boolean;
  /**
   * Resolves when this store shows what the mutation wrote that ended the run, so that a row can take the place of the
   * stream. Rejects with `stream.gone` when the relay has nothing of it any more, a minute after the end, and with
   * `store.closed`. Never raises `unhandledrejection` by itself.
   */
  readonly ended: Promise<void>;
}

/** The client's handle to one room. */
export interface Store<S extends AnySchema> {
  /**
   * Runs a mutator. Its effect is visible when the promise resolves: within the call when the mutator awaits nothing.
   * The promise rejects when the mutator throws (`mutation.failed`, or its own code), when input or a row do not fit
   * (`mutation.invalidInput`, `row.invalid`, `value.notJson` ...), or when what it read kept changing
   * (`mutation.contested`); then nothing has happened.
   */
  readonly mutate: { readonly [N in MutatorName<S>]: (input: InOf<S['mutators'][N]>) => Promise<MutationReceipt> };
  /**
   * Asks the relay to run an action, after everything that was written here before. Returns at once; offline the request
   * waits on this device, or rejects with `action.offline` if it may not (`offline`), as any does with no relay configured. Throws `action.invalidInput`
   * (of an option too), `action.unknown`, `value.notJson`, `protocol.frameTooLarge`, `auth.forbidden` or `store.closed`.
   */
  readonly action: { readonly [N in ActionName<S>]: (input: InOf<S['actions'][N]>, options?: CallOptions) => RunHandleOf<S, N> };
  /**
   * A run of this user's, looked up by its id: after a reload, from another tab or device, or one that a mutator enqueued.
   * `name` says what its result is, and is not checked against the run. Throws `store.closed`.
   */
  run<N extends ActionName<S>>(name: N, id: string): RunHandleOf<S, N>;
  /**
   * What a run says, looked up by its id: one that a mutator enqueued, or that another tab or device asked for. The same
   * object for the same run. Throws `action.unknown`.
   */
  stream<N extends ActionName<S>>(name: N, runId: string): StreamView<StreamPieceOf<S['actions'][N]>, StreamStateOf<S['actions'][N]>>;
  /** How this store reaches its relay, for a client of room events beside it. */
  readonly connection: RelayConnection;
  /** Names the present link to the relay, for `streamTo`; a new one with each link, `undefined` without one. */
  readonly sessionId: string | undefined;
  table<N extends TableName<S>>(name: N): TableView<RowOf<S, N>>;
  readonly status: StoreStatus;
  /** The present status at once, then each change. Completes on `close()`. */
  readonly status$: Observable<StoreStatus>;
  /** What is pending on this device, of this tab and of others, oldest first. A new list at each reading. */
  readonly outbox: readonly OutboxItem[];
  /** The present list at once, then each time one comes, goes or is sent. */
  readonly outbox$: Observable<readonly OutboxItem[]>;
  readonly rejections: readonly Rejection[];
  readonly rejections$: Observable<readonly Rejection[]>;
  /**
   * The user's runs in this room that this store has heard of, of all devices: those that have not ended, and the last
   * hundred that ended while it was open.
   */
  readonly runs: readonly RunItem[];
  /** The present list at once, then each time one comes, goes or changes its status. */
  readonly runs$: Observable<readonly RunItem[]>;
  /** Resolves when what the device holds can be read. Rejects when that is damaged (`storage.corrupt`). */
  readonly ready: Promise<void>;
  /** Resolves when the store was level with the relay for the first time. */
  readonly synced: Promise<void>;
  /** Ends links, writes what is being written, lets the storage go. What is pending stays on the device. */
  close(): Promise<void>;
}
