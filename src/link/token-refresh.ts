import type { Clock } from '../ports/clock.ts';
import type { AuthFrame } from '../protocol/frames.ts';
import type { OpenLink } from './connector.ts';

/** A token is asked for anew this long before the old one ends, or earlier when it lives for less than five times as long. */
const AHEAD_MS = 30_000;
/** Never more often than this. */
const REST_MS = 1_000;

/** Shows fresh tokens over a link that is open, so that it need not end with the old one. */
export interface TokenRefresh {
  /** The link is good for so long; 0: for ever. */
  granted(expiresInMs: number, link: Pick<OpenLink<AuthFrame>, 'send' | 'isClosed'>): void;
  /** The link is gone. */
  stop(): void;
}

export function createTokenRefresh(clock: Clock, token: (() => string | Promise<string>) | undefined): TokenRefresh {
  let cancel = (): void => undefined;

  return {
    granted(expiresInMs, link) {
      cancel();
      if (expiresInMs === 0) return;
      const refresh = async (): Promise<void> => {
        const fresh = await token?.();
        if (fresh && !link.isClosed) link.send({ type: 'auth', token: fresh });
      };
      cancel = clock.after(Math.max(REST_MS, expiresInMs - Math.min(AHEAD_MS, expiresInMs / 5)), () => {
        // Where there is no better token the relay closes the link in time, and the next greeting asks again.
        refresh().catch(() => undefined);
      });
    },
    stop: () => cancel(),
  };
}
