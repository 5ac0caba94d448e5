import type { DefinedEvents } from './define-events.ts';
import type { Messages } from './messages.ts';

/** How often requests for events may come. */
export interface RateLimiting {
  /** For one event, of one user, or of one address where nobody is known. Default 60; an event's `rateLimit` goes before it. */
  readonly defaultApiLimit?: number;
  /** For all events together, of one address. Default 100. */
  readonly defaultIpLimit?: number;
  /** How long a window is, from its first request on. Default one minute. */
  readonly windowMs?: number;
}

/** What a backend says of its events. */
export interface RoomEventOptions {
  readonly events?: DefinedEvents | undefined;
  readonly messages?: Messages | undefined;
  readonly rateLimiting?: RateLimiting | false | undefined;
}
