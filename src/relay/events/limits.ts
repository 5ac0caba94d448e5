import { CotableError } from '../../errors.ts';
import { createRateLimit } from '../rate-limit.ts';
import type { KnownEvent } from './events.ts';
import type { RateLimiting } from './options.ts';

/** How often requests may come. Each call counts one, and throws `sync.rateLimitExceeded` where that is too many. */
export interface EventLimits {
  /** A request of an address, whatever it asks for: counted before it is looked at. */
  address(ip: string): void;
  /** A request for an event, of a user, or of an address where nobody is known. */
  event(known: KnownEvent, caller: { readonly userId: string; readonly ip: string }): void;
}

const MINUTE = 60_000;

export function createEventLimits(rateLimiting: RateLimiting | false = {}, now: () => number): EventLimits {
  if (rateLimiting === false) return { address: () => undefined, event: () => undefined };
  const { defaultApiLimit = 60, defaultIpLimit = 100, windowMs = MINUTE } = rateLimiting;
  const limit = createRateLimit(windowMs, now);

  function take(name: readonly string[], most: number): void {
    const seconds = limit.take(JSON.stringify(name), most);
    if (seconds > 0) throw new CotableError('sync.rateLimitExceeded', { seconds });
  }

  return {
    address: (ip) => take(['ip', ip], defaultIpLimit),
    event: ({ action, event }, { userId, ip }) =>
      take([action, ...(userId === '' ? ['ip', ip] : ['user', userId])], event.rateLimit ?? defaultApiLimit),
  };
}
