import { CotableError, isCotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { LinkOrigin } from '../ports/transport.ts';
import type { GrantFrame, HelloFrame } from '../protocol/frames.ts';
import type { EnterFrame } from '../protocol/sync-frames.ts';
import type { Session } from '../schema/schema.ts';
import { bearerOf, type Caller, type Guard } from './guard.ts';

/** Longer than this a timer cannot be set for. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Who is at the other end of one link, what it may do, and for how long. */
export interface Standing {
  /** Empty until it is known. */
  readonly userId: string;
  readonly isReader: boolean;
  readonly session: Session | undefined;
  /** Lets a link in. `isForAll`: also of nobody that is known, who stays so. Throws what it is refused with. */
  enter(first: HelloFrame | EnterFrame, isForAll: boolean): Promise<void>;
  /** A fresh token. Rejects with what the link is closed with. */
  refresh(token: string): Promise<void>;
  /** Asks again what it may do. Rejects with `auth.forbidden` when that is nothing any more. */
  recheck(): Promise<void>;
  /** The link is gone. */
  end(): void;
}

export function createStanding(options: {
  readonly guard: Guard;
  readonly clock: Clock;
  readonly origin: LinkOrigin;
  readonly tell: (frame: GrantFrame) => void;
  readonly expired: (error: CotableError) => void;
}): Standing {
  const { guard, clock, origin } = options;
  let caller: Caller | undefined;
  let room = '';
  let mayWrite = true;
  let isOver = false;
  let cancelExpiry = (): void => undefined;

  const identify = (token: string, claimed: string): Promise<Caller> =>
    guard.identify({ token: token || bearerOf(origin.headers), headers: origin.headers, ip: origin.ip }, claimed);

  async function admit(known: Caller): Promise<void> {
    mayWrite = await guard.mayWrite(known, room);
    if (isOver) return;
    caller = known;
    watch();
    tell();
  }

  function tell(): void {
    if (!guard.hasHooks || !caller) return;
    const { expiresAt } = caller;
    const expiresInMs = expiresAt === undefined || expiresAt === Infinity ? 0 : Math.max(1, Math.ceil(expiresAt - clock.now()));
    options.tell({ type: 'grant', mayWrite, expiresInMs, session: guard.told(caller) });
  }

  function watch(): void {
    cancelExpiry();
    const left = (caller?.expiresAt ?? Infinity) - clock.now();
    if (left === Infinity) return;
    if (left <= 0) return options.expired(new CotableError('auth.expired', {}));
    cancelExpiry = clock.after(Math.min(left, LONGEST_TIMER_MS), watch);
  }

  return {
    get userId() {
      return caller?.userId ?? '';
    },
    get isReader() {
      return !mayWrite;
    },
    get session() {
      return caller?.session;
    },
    async enter(first, isForAll) {
      room = first.room;
      const known = await identify(first.token, first.userId).catch((error: unknown) => {
        if (!isForAll || !isCotableError(error, 'auth.required')) throw error;
      });
      if (known) await admit(known);
    },
    async refresh(token) {
      await admit(await identify(token, caller?.userId ?? ''));
    },
    async recheck() {
      if (!caller) return;
      const before = mayWrite;
      const now = await guard.mayWrite(caller, room);
      mayWrite = now;
      if (now !== before && !isOver) tell();
    },
    end() {
      isOver = true;
      cancelExpiry();
    },
  };
}
