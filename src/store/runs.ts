import { equalityDeep } from 'lib0/function';
import { defer, map, merge, of, Subject, type Observable } from 'rxjs';
import { CotableError } from '../errors.ts';
import { checkAction, checkKey, refuseOption } from '../mutation/enqueue.ts';
import { mutationId, type Ordered } from '../mutation/mutation-id.ts';
import { keyedRunId } from '../mutation/run-id.ts';
import type { Clock } from '../ports/clock.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import type { RunFrame } from '../protocol/frames.ts';
import { MAX_FRAME_BYTES } from '../protocol/limits.ts';
import { quiet } from '../util/deferred.ts';
import type { JsonValue } from '../util/json.ts';
import { callKeys, type StoredCall } from './calls.ts';
import type { Core } from './core.ts';
import { createKnownRun, type KnownRun } from './known-run.ts';
import { refusalOf, type StoredRequests } from './stored.ts';
import type { CallOptions, RunHandle, RunItem, StreamView } from './types.ts';
import { createWaitingCalls, type Asked } from './waiting-calls.ts';

/** So many runs that have ended stay in the list. */
const ENDED = 100;
/** A code unit takes at most so many bytes. */
const UNIT_BYTES = 3;

/** The user's runs: those asked for here, and those that the relay tells of. */
export interface Runs {
  /** Asks for a run, behind every mutation made before. Throws what is wrong with the input. */
  call(name: string, input: unknown, options?: CallOptions): RunHandle<unknown>;
  /** A run that was asked for elsewhere, or before. */
  find(name: string, id: string): RunHandle<unknown>;
  list(): readonly RunItem[];
  readonly list$: Observable<readonly RunItem[]>;
  /**
   * What the device kept of calls and cancels that the relay may not have heard of. Where there are other tabs, they
   * are left until it is known whose they are.
   */
  load(stored: StoredRequests): Promise<void>;
  /** The same of what another tab kept there that is gone. */
  adopt(stored: StoredRequests): Promise<void>;
  /** What is asked for here from now on never leaves, nor what was and lies on no disk: this page is too old. */
  refuse(reason: CotableError): void;
  /** Who asked for what the relay is not known to have. */
  askers(): readonly string[];
  /** Whether the relay may not have heard of a run that was asked for here. */
  isUnheard(id: string): boolean;
  /** What to ask on a new link. */
  unfinished(): readonly Asked[];
  hear(frame: RunFrame): void;
  /** The store shows all entries up to `seq`. */
  caughtUp(seq: number): void;
  close(): void;
}

export interface RunsOptions {
  readonly core: Core;
  readonly clock: Pick<Clock, 'after'>;
  /** Left out where there is no relay to run anything. */
  readonly send: ((asked: Asked) => void) | undefined;
  /** Whether there may be other tabs of the device. */
  readonly isShared: boolean;
  /** Whether this store may send what somebody has asked for; `undefined`: whoever this device is. */
  readonly isOwn: (userId: string | undefined) => boolean;
  readonly isOnline: () => boolean;
  readonly nextKey: () => MutationKey;
  /** `undefined` while nobody knows. */
  readonly userId: () => string | undefined;
  readonly stream: (action: string, run: string) => StreamView<never, never>;
}

export function createRuns(options: RunsOptions): Runs {
  const { core, send } = options;
  const write = core.disk.writeQuietly;
  const known = new Map<string, KnownRun>();
  /** Those of them that have ended, the oldest first. */
  const ended = new Set<string>();
  /** Handles of runs that the relay does not have, until the next link: whoever looks again gets the same, and asks nothing. */
  const missing = new Map<string, RunHandle<unknown>>();
  /** Runs to be canceled. */
  const cancels = new Set<string>();
  const changed$ = new Subject<void>();
  let isClosed = false;
  let refusal: CotableError | undefined;
  const waiting = createWaitingCalls(core, options.clock, ({ run, name }) =>
    known.get(run)?.end({ status: 'expired', error: refusalOf(new CotableError('run.expired', { name })) }),
  );

  function create(id: string, name: string, input: JsonValue | undefined): KnownRun {
    const run = createKnownRun({
      id,
      name,
      input,
      cancel: () => cancel(run),
      stream: () => options.stream(name, id),
      changed: () => changed(run),
    });
    return run;
  }

  function add(id: string, name: string, input: JsonValue | undefined): KnownRun {
    const run = create(id, name, input);
    known.set(id, run);
    ended.delete(id);
    missing.delete(id);
    return run;
  }

  function changed({ id, isOver }: KnownRun): void {
    if (isOver && known.has(id)) ended.add(id);
    for (const oldest of ended) {
      if (ended.size <= ENDED) break;
      ended.delete(oldest);
      known.delete(oldest);
    }
    changed$.next();
  }

  /** A handle of a run that never will be. */
  function refused(id: string, name: string, input: JsonValue, reason: CotableError): RunHandle<unknown> {
    const run = create(id, name, input);
    run.end({ status: 'failed', error: refusalOf(reason) });
    return run.handle;
  }

  function cancel({ id, end }: KnownRun): void {
    if (!waiting.isHere(id)) return wish(id);
    void waiting.withdraw(id).then((isMine) => {
      if (isMine) return end(CANCELED);
      // Another tab has taken it over. What was to leave here while that was found out leaves all the same: it is one run.
      for (const call of waiting.all()) if (call.run === id) send?.(waiting.toAsked(call));
      wish(id);
    });
  }

  function wish(id: string): void {
    cancels.add(id);
    write({ put: [[callKeys.cancel(id), true]] });
    send?.(toCancel(id));
  }

  function toCancel(id: string): Asked {
    return { place: lastPlace(core), take: () => (cancels.has(id) ? { type: 'cancel', run: id } : undefined) };
  }

  function forget({ id, handle }: KnownRun, ending: NonNullable<RunFrame['ending']>): void {
    known.delete(id);
    if (ending.status === 'succeeded' || ending.error.code !== 'run.notFound') return;
    missing.set(id, handle);
    const [oldest = id] = missing.keys();
    if (missing.size > ENDED) missing.delete(oldest);
  }

  function toAsk(id: string): Asked {
    // Behind the mutation that enqueues it, of whichever tab.
    return {
      place: lastPlace(core),
      take: () => (known.get(id)?.isOver === false && !waiting.has(id) ? { type: 'ask', run: id } : undefined),
    };
  }

  /** Throws for what is wrong with the options; the id of the run they name. */
  function idOf(name: string, key: MutationKey, { idempotencyKey, expiresIn, offline = 'queue' }: CallOptions): string {
    if (offline !== 'queue' && offline !== 'reject') refuseOption(name, 'offline', 'queue or reject');
    const isTime = expiresIn === undefined || (Number.isFinite(expiresIn) && expiresIn >= 0);
    if (!isTime) refuseOption(name, 'expiresIn', 'milliseconds from now on');
    if (idempotencyKey === undefined) return `${mutationId(key)}:0`;
    checkKey(name, idempotencyKey);
    const userId = options.userId();
    return userId === undefined
      ? refuseOption(name, 'idempotencyKey', 'a store that is ready, or has a userId')
      : keyedRunId(userId, name, idempotencyKey);
  }

  function call(name: string, input: unknown, wishes: CallOptions = {}): RunHandle<unknown> {
    if (isClosed) throw new CotableError('store.closed', {});
    const { idempotencyKey = '', offline, expiresIn, signal } = wishes;
    const json = checkAction(core.host.schema, name, input);
    const text = JSON.stringify(json);
    const bytes = text.length * UNIT_BYTES;
    if (bytes > MAX_FRAME_BYTES) throw new CotableError('protocol.frameTooLarge', { bytes, limit: MAX_FRAME_BYTES });
    const key = options.nextKey();
    const id = idOf(name, key, wishes);
    if (refusal) return refused(id, name, json, refusal);
    if (!send || (offline === 'reject' && !options.isOnline()))
      return refused(id, name, json, new CotableError('action.offline', { name }));
    const same = known.get(id);
    if (same && !same.isOver) {
      if (isSame(same.toItem().input, json)) return same.handle;
      return refused(id, name, json, new CotableError('action.idempotencyMismatch', { name, key: idempotencyKey }));
    }
    const run = add(id, name, json);
    changed$.next();
    if (signal?.aborted) {
      run.end(CANCELED);
      return run.handle;
    }
    if (signal) cancelOn(signal, run.handle);
    const expiresAt = expiresIn === undefined ? 0 : Math.floor(core.now() + expiresIn);
    send(waiting.add({ key, run: id, name, input: text, userId: options.userId(), idempotencyKey, expiresAt, place: lastPlace(core) }));
    return run.handle;
  }

  async function adopt(stored: StoredRequests): Promise<void> {
    const isHere = ({ run }: StoredCall): boolean => waiting.has(run);
    const own = stored.calls.filter(({ userId }) => options.isOwn(userId));
    const [, claimed] = await Promise.all([
      Promise.all(own.filter(isHere).map(waiting.absorb)),
      Promise.all(own.filter((call) => !isHere(call)).map((call) => waiting.claim(call, options.nextKey()))),
    ]);
    const calls = claimed.flatMap((call) => call ?? []);
    waiting.hold(calls);
    for (const { run, name, input } of calls) if (!known.has(run)) add(run, name, JSON.parse(input) as JsonValue);
    // A relay that has not heard of a run can cancel nothing: the wish follows the call, from whoever sends that.
    const left = new Set(stored.calls.flatMap((call) => (isHere(call) ? [] : [call.run])));
    const wishes = stored.cancels.filter((id) => !cancels.has(id) && !left.has(id));
    for (const id of wishes) cancels.add(id);
    for (const asked of [...calls.map(waiting.toAsked), ...wishes.map(toCancel)]) send?.(asked);
    if (calls.length > 0) changed$.next();
  }

  function list(): readonly RunItem[] {
    return Object.freeze([...known.values()].map((run) => run.toItem()));
  }

  return {
    call,
    find(name, id) {
      if (isClosed) throw new CotableError('store.closed', {});
      const found = known.get(id)?.handle ?? missing.get(id);
      if (found) return found;
      if (!send) return refused(id, name, null, new CotableError('run.notFound', { run: id }));
      const asked = add(id, name, undefined);
      // Not within the call: whoever renders may look a run up, and must not make others render by it.
      queueMicrotask(() => changed$.next());
      send(toAsk(id));
      return asked.handle;
    },
    list,
    list$: defer(() => merge(of(undefined), changed$)).pipe(map(list)),
    async load(stored) {
      // Those of before the device could be written to.
      waiting.keep();
      write({ put: [...cancels].map((id) => [callKeys.cancel(id), true]) });
      if (!options.isShared) await adopt(stored);
    },
    adopt,
    refuse(reason) {
      refusal = reason;
      for (const id of waiting.unwritten()) {
        waiting.settle(id);
        known.get(id)?.end({ status: 'failed', error: refusalOf(reason) });
      }
    },
    askers: () => waiting.all().flatMap(({ userId }) => userId ?? []),
    isUnheard: waiting.has,
    unfinished() {
      missing.clear();
      const open = [...known.values()].filter(({ id, isOver }) => !isOver && !waiting.has(id) && !cancels.has(id));
      return [...waiting.all().map(waiting.toAsked), ...[...cancels].map(toCancel), ...open.map(({ id }) => toAsk(id))];
    },
    hear(frame) {
      const { run: id, ending } = frame;
      waiting.settle(id);
      if (ending && cancels.delete(id)) write({ delete: [callKeys.cancel(id)] });
      const before = known.get(id);
      // One that had ended goes on: it was redriven.
      const run = before && (ending || !before.isOver) ? before : add(id, frame.name, undefined);
      run.hear(frame);
      run.caughtUp(core.replica.seq);
      // What was asked failed: there is no such run, or another one has that name.
      if (frame.attempt === 0 && ending) forget(run, ending);
      changed$.next();
    },
    caughtUp(seq) {
      for (const run of known.values()) run.caughtUp(seq);
    },
    close() {
      isClosed = true;
      waiting.close();
      for (const run of known.values()) run.close();
      changed$.complete();
    },
  };
}

const CANCELED = { status: 'canceled', error: refusalOf(new CotableError('run.canceled', {})) } as const;

/** What was asked for, as far as that is known, or what is asked for now. */
function isSame(known: unknown, asked: JsonValue): boolean {
  return known === undefined || equalityDeep(known, asked);
}

/** The place of the last mutation of this device. */
function lastPlace({ replica }: Core): number {
  const last = (mutations: ReadonlyMap<string, Ordered>): number => Math.max(0, ...[...mutations.values()].map(({ place }) => place));
  return Math.max(last(replica.pending), last(replica.foreign));
}

function cancelOn(signal: AbortSignal, { cancel, result }: RunHandle<unknown>): void {
  const abort = (): void => void quiet(cancel());
  const stop = (): void => signal.removeEventListener('abort', abort);
  signal.addEventListener('abort', abort);
  result.then(stop, stop);
}
