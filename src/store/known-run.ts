import { BehaviorSubject } from 'rxjs';
import { CotableError, errorOf } from '../errors.ts';
import type { RunFrame } from '../protocol/frames.ts';
import { createDeferred, quiet, type Deferred } from '../util/deferred.ts';
import type { JsonValue } from '../util/json.ts';
import { inTurn } from './in-turn.ts';
import type { RunHandle, RunItem, RunStatus, StreamView } from './types.ts';

/** The last thing that happens to a run. */
type Ending = NonNullable<RunFrame['ending']>;

/** One run as this store knows it: what the relay last said of it, and who waits for that. */
export interface KnownRun {
  readonly id: string;
  readonly status: RunStatus;
  /** Whether its ending is known; what it wrote may still be on its way. */
  readonly isOver: boolean;
  toItem(): RunItem;
  /** One handle for everyone who asks for it. */
  readonly handle: RunHandle<unknown>;
  /** The relay says how it stands. */
  hear(frame: RunFrame): void;
  /** What this store shows holds all entries up to `seq`: an ending that waited for one of them is told. */
  caughtUp(seq: number): void;
  /** Ends it without a word of the relay. */
  end(ending: Ending): void;
  /** Nobody will ever hear more of it here. */
  close(): void;
}

/** A run that has ended stays what it is; one that is redriven goes on from there. */
const OVER: ReadonlySet<RunStatus> = new Set(['succeeded', 'failed', 'canceled', 'expired']);

export function createKnownRun(options: {
  readonly id: string;
  readonly name: string;
  /** `undefined`: the relay will tell. */
  readonly input: JsonValue | undefined;
  /** Sees to it that it is canceled. */
  readonly cancel: () => void;
  readonly stream: () => StreamView<never, never>;
  readonly changed: () => void;
}): KnownRun {
  const { id } = options;
  const accepted = createDeferred<void>();
  const result = createDeferred<unknown>();
  const status$ = new BehaviorSubject<RunStatus>('pending');
  let { name, input } = options;
  let status: RunStatus = 'pending';
  let isAccepted = false;
  let item: RunItem | undefined;
  let output: unknown;
  let failure: CotableError | undefined;
  /** Told when the entry that settled it is here. */
  let ahead: { readonly ending: Ending; readonly seq: number } | undefined;
  let canceled: Deferred<void> | undefined;

  function show(next: RunStatus): void {
    if (status === next) return;
    status = next;
    item = undefined;
    inTurn(() => {
      status$.next(next);
      if (OVER.has(next)) status$.complete();
      options.changed();
    });
  }

  function end(ending: Ending): void {
    ahead = undefined;
    if (OVER.has(status)) return;
    if (ending.status === 'succeeded') {
      output = JSON.parse(ending.output);
      show(ending.status);
      result.resolve(output);
      canceled?.reject(new CotableError('run.terminal', { status: ending.status }));
      return;
    }
    const error = errorOf(ending.error);
    failure = error;
    show(ending.status);
    if (!isAccepted) accepted.reject(error);
    result.reject(error);
    if (ending.status === 'canceled') canceled?.resolve();
    else if (error.code === 'run.notFound') canceled?.reject(error);
    else canceled?.reject(new CotableError('run.terminal', { status: ending.status }));
  }

  const run: KnownRun = {
    id,
    get status() {
      return status;
    },
    get isOver() {
      return ahead !== undefined || OVER.has(status);
    },
    toItem: () => (item ??= Object.freeze({ id, name, input, status })),
    handle: {
      id,
      accepted: accepted.promise,
      result: result.promise,
      get status() {
        return status;
      },
      status$: status$.asObservable(),
      get output() {
        return output;
      },
      get error() {
        return failure;
      },
      get stream() {
        return options.stream();
      },
      cancel() {
        if (canceled) return canceled.promise;
        if (OVER.has(status)) return quiet(Promise.reject(new CotableError('run.terminal', { status })));
        canceled = createDeferred();
        options.cancel();
        return canceled.promise;
      },
      // oxlint-disable-next-line unicorn/no-thenable -- a handle stands for its result: `await store.action.x(input)`
      then: (done, failed) => result.promise.then(done, failed),
    },
    hear(frame) {
      if (OVER.has(status)) return;
      name = frame.name || name;
      input ??= frame.input === '' ? undefined : (JSON.parse(frame.input) as JsonValue);
      // Something that was asked failed, and no run is told of.
      isAccepted ||= frame.attempt > 0 || !frame.ending;
      if (isAccepted) accepted.resolve();
      if (frame.ending) ahead = { ending: frame.ending, seq: frame.seq };
      else show(frame.status);
    },
    caughtUp(seq) {
      if (ahead && ahead.seq <= seq) end(ahead.ending);
    },
    end,
    close() {
      const closed = new CotableError('store.closed', {});
      accepted.reject(closed);
      result.reject(closed);
      canceled?.reject(closed);
      status$.complete();
    },
  };
  return run;
}
