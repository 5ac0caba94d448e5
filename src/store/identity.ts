import { CotableError } from '../errors.ts';
import { createTokenRefresh } from '../link/token-refresh.ts';
import type { Clock } from '../ports/clock.ts';
import type { GrantFrame } from '../protocol/frames.ts';
import type { StoreLink } from './store-wire.ts';
import type { Core } from './core.ts';
import { deviceNameOf } from './owner.ts';
import type { StoredDevice } from './stored.ts';
import type { StoreState } from './types.ts';

const UNLIMITED = { isReader: false, session: undefined };

/** Who writes in this store, as far as the app and the relay have said. */
export interface Identity {
  /** Who writes now: whom the app names, or whom the relay last took this device for, or the device itself. */
  userId(): string;
  /** Whether what somebody asked for may be sent as this store's user. */
  isOwn(asker: string): boolean;
  /** Who this store says it is: whoever made what is still to be sent, so that nobody else is let in with it. */
  claim(): string;
  /** The relay takes this store for a user. Throws `auth.otherUser` when something that is to be sent is another one's. */
  welcomed(userId: string): void;
  /** What the link may do, and for how long. */
  granted(frame: GrantFrame, link: StoreLink): void;
  /** The link is gone. */
  lost(): void;
}

export function createIdentity(options: {
  readonly core: Core;
  readonly named: string | undefined;
  readonly token: (() => string | Promise<string>) | undefined;
  /** Who asked for runs that the relay does not know of yet. */
  readonly askers: () => Iterable<string>;
  readonly clock: Clock;
  /** Who this is, or what it may do, may be otherwise now. */
  readonly changed: () => void;
}): Identity {
  const { core, named } = options;
  const refresh = createTokenRefresh(options.clock, options.token);
  let granted: Pick<StoredDevice, 'isReader' | 'session'> = UNLIMITED;

  const device = (): string => deviceNameOf(core.device);
  const userId = (): string => named ?? core.device.userId ?? device();

  /** Somebody else than the device has made something that is to be sent. */
  function* owners(): Generator<string> {
    const { pending, foreign } = core.replica;
    for (const mutation of [...pending.values(), ...foreign.values()]) if (mutation.userId !== device()) yield mutation.userId;
    for (const asker of options.askers()) if (asker !== device()) yield asker;
  }

  function identified(known: string | undefined): void {
    core.identified({ userId: known, ...granted });
    options.changed();
  }

  return {
    userId,
    isOwn: (asker) => asker === userId() || asker === device(),
    claim: () => named ?? owners().next().value ?? device(),
    welcomed(known) {
      for (const owner of owners()) if (owner !== known) throw new CotableError('auth.otherUser', { claimed: owner, authenticated: known });
      identified(known === device() ? undefined : known);
    },
    granted(frame, link) {
      granted = { isReader: !frame.mayWrite, session: frame.session };
      identified(core.device.userId);
      refresh.granted(frame.expiresInMs, link);
    },
    lost() {
      refresh.stop();
      // What a relay grants it says before each welcome.
      granted = UNLIMITED;
    },
  };
}

/** Lost links with these reasons are mended by the next one. */
const PASSING = new Set([
  'clock.outOfBounds',
  'writer.fenced',
  'writer.gap',
  'room.lineageChanged',
  'protocol.timeout',
  'limit.bytes',
  'limit.links',
  'stream.slowViewer',
  'storage.closed',
  'storage.conflict',
  'storage.notDurable',
  'storage.unavailable',
  'relay.closed',
  'request.unknownLink',
  'request.failed',
]);

const STATES = new Map<string, StoreState>([
  ['auth.required', 'needs-auth'],
  ['auth.expired', 'needs-auth'],
  ['auth.forbidden', 'denied'],
  ['auth.otherUser', 'denied'],
  ['auth.revoked', 'denied'],
]);

/** What a store is when the relay has refused it with this; `undefined` when the next link mends it. */
export function stateAfter({ code }: CotableError): StoreState | undefined {
  return PASSING.has(code) ? undefined : (STATES.get(code) ?? 'error');
}

/** Whether the store was refused: it stays in that state while it tries again. */
export function isRefused(state: StoreState): boolean {
  return state === 'error' || state === 'needs-auth' || state === 'denied';
}
