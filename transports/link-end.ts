import type { CotableError } from '../src/errors.ts';
import type { LinkEvents } from '../src/ports/transport.ts';

/** One side of a link. It keeps the promises of {@link LinkEvents}, whatever order the pipe below reports things in. */
export interface LinkEnd {
  readonly isOpen: boolean;
  readonly isClosed: boolean;
  /** Names who listens. An end that was closed before tells it now. */
  listen(events: LinkEvents): void;
  opened(): void;
  message(message: Uint8Array): void;
  /** Whether this call closed it: `false` when it was closed already. */
  closed(reason?: CotableError): boolean;
}

export function createLinkEnd(): LinkEnd {
  let events: LinkEvents | undefined;
  let state: 'opening' | 'open' | 'closed' = 'opening';
  let reason: CotableError | undefined;
  return {
    get isOpen() {
      return state === 'open';
    },
    get isClosed() {
      return state === 'closed';
    },
    listen(listener) {
      events = listener;
      if (state === 'closed') listener.closed(reason);
    },
    opened() {
      if (state !== 'opening') return;
      state = 'open';
      events?.opened();
    },
    message(message) {
      if (state === 'open') events?.message(message);
    },
    closed(why) {
      if (state === 'closed') return false;
      state = 'closed';
      reason = why;
      events?.closed(why);
      return true;
    },
  };
}
