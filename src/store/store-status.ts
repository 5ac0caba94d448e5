import { ReplaySubject, type Observable } from 'rxjs';
import type { CotableError } from '../errors.ts';
import type { Durability } from '../ports/client-storage.ts';
import { inTurn } from './in-turn.ts';
import type { StoreState, StoreStatus } from './types.ts';

/** How a store stands, for people and for itself. */
export interface StatusHolder {
  readonly now: StoreStatus;
  readonly now$: Observable<StoreStatus>;
  /** Why nothing more is kept on this device. */
  readonly notKept: CotableError | undefined;
  show(change: Partial<StoreStatus>): void;
  /** Goes over to a state. Without a reason of its own, what is wrong with the device is told. */
  enter(state: StoreState, reason?: CotableError): void;
  /** Something of the device could not be read: told until the relay has made up for it. */
  damaged(error: CotableError): void;
  mended(): void;
  /** Nothing more is kept here. `isShown`: also in `durable`, at once. */
  isNotKept(error: CotableError, isShown: boolean): void;
  /** After the last change. */
  complete(): void;
}

/** `durability`: of the disk, once there is one. */
export function createStatus(durability: () => Durability | undefined): StatusHolder {
  let now: StoreStatus = Object.freeze({ state: 'loading', reason: undefined, pending: 0, durable: 'unknown', mayWrite: true });
  let damage: CotableError | undefined;
  let notKept: CotableError | undefined;
  const now$ = new ReplaySubject<StoreStatus>(1);
  now$.next(now);

  function show(change: Partial<StoreStatus>): void {
    const next = Object.freeze({ ...now, ...change });
    if ((Object.keys(next) as (keyof StoreStatus)[]).every((key) => next[key] === now[key])) return;
    if (now.state === 'closed') return;
    now = next;
    inTurn(() => now$.next(next));
  }

  return {
    get now() {
      return now;
    },
    now$: now$.asObservable(),
    get notKept() {
      return notKept;
    },
    show,
    enter: (state, reason) =>
      show({ state, reason: reason ?? notKept ?? damage, durable: notKept ? false : (durability() ?? now.durable) }),
    damaged(error) {
      damage = error;
      show({ reason: error });
    },
    mended() {
      damage = undefined;
    },
    isNotKept(error, isShown) {
      notKept = error;
      show(isShown ? { durable: false, reason: error } : { reason: error });
    },
    complete: () => inTurn(() => now$.complete()),
  };
}
