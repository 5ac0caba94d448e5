import { CotableError, isCotableError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { AnySchema, Session, SessionFieldsOf, SessionOf } from '../schema/schema.ts';
import { toFrozenJson, type JsonObject } from '../util/json.ts';
import { validate } from '../schema/validator.ts';
import { SYSTEM } from './room.ts';

/** What a link or a request shows of itself before it is let in. Nothing in it is proven. */
export interface Handshake {
  /** Of the first frame, or of the header `Authorization: Bearer ...`. */
  readonly token: string | undefined;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The address of whoever connected, a proxy perhaps; empty where nobody can tell. */
  readonly ip: string;
}

/** Who it is. `expiresAt`: in milliseconds since 1970; the link is closed then, unless the store has shown a fresh token. */
export type Identity<S extends AnySchema> = { readonly userId: string; readonly expiresAt?: number } & SessionFieldsOf<S>;

/** What a user may do in a room: see all of it, and write too. */
export type RoomRights = 'none' | 'read' | 'write';

/** The hooks of a backend that say who calls, and where they may go. */
export interface Hooks<S extends AnySchema> {
  /**
   * Says who is at the other end: once for each link and each HTTP request, and again for each fresh token. `null`: nobody
   * that is known. What it gives besides `userId` and `expiresAt` is validated by `session` of the schema; without that it
   * is handed on as it is. It has `limits.helloMs`.
   */
  readonly authenticate?: (handshake: Handshake) => Identity<S> | null | Promise<Identity<S> | null>;
  /** What a user may do in a room: asked for each link that enters it, and by `relay.recheck`. Left out: `write` everywhere. */
  readonly authorize?: (session: SessionOf<S>, room: string) => RoomRights | Promise<RoomRights>;
}

/** Hooks as the engine sees them: which schema they belong to was checked where the backend was given. */
export interface AnyHooks {
  readonly authenticate?: (handshake: Handshake) => unknown;
  readonly authorize?: (session: never, room: string) => RoomRights | Promise<RoomRights>;
}

/** Somebody who is known. */
export interface Caller {
  readonly userId: string;
  readonly session: Session;
  readonly expiresAt: number | undefined;
  /** How much had been taken away from anybody when this was asked: what is taken away later counts for this caller too. */
  readonly asOf: number;
}

/** Asks the hooks of the backend, for all doors. */
export interface Guard {
  /** Whether there is anything to ask: otherwise everybody may do everything, and stores are told nothing of it. */
  readonly hasHooks: boolean;
  /**
   * Who it is. `claimed` is what it calls itself: taken where nothing authenticates, otherwise it must be that user, or
   * the name of a device. Throws `auth.*`, `protocol.timeout`, or the app's own code.
   */
  identify(handshake: Handshake, claimed?: string): Promise<Caller>;
  /** Whether it may write in a room. Throws `auth.forbidden` when it may not even read there. */
  mayWrite(caller: Caller, room: string): Promise<boolean>;
  /** The session as its own store is told of it: what the schema declares, since only that is for both sides. */
  told(caller: Caller): Session | undefined;
  /** What is being asked about this user gets `auth.revoked`: the answer may be of before. So does what the user is reading. */
  revoke(userId: string): void;
  /** Asks again about what is being read in a room, or in all. Resolves when each has been asked. */
  recheck(room?: string): Promise<void>;
  /**
   * The caller reads an answer that goes on: aborted when the user is revoked or may not read there any more, since the caller
   * was identified and until `over` is.
   */
  reading(caller: Caller, room: string, over: AbortSignal): AbortSignal;
}

/** So many users are remembered whose rights were taken away: by then who they are has been asked again. */
const REMEMBERED = 10_000;

interface Reader {
  readonly caller: Caller;
  readonly room: string;
  readonly cut: AbortController;
}

/** How a device calls itself where nobody has said whose it is. */
const DEVICE = 'device-';

export function createGuard(options: {
  readonly schema: AnySchema;
  readonly hooks: AnyHooks;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeoutMs: number;
}): Guard {
  const { schema, clock, logger, timeoutMs } = options;
  const { authenticate, authorize } = options.hooks;
  /** For each question that is not answered yet, who was revoked since it was asked. */
  const asking = new Set<Set<string>>();
  /** Who reads an answer that goes on. */
  const readers = new Set<Reader>();
  /** How often rights were taken away; when from each user, and when it was to be asked again. */
  let turns = 0;
  const revokedAt = new Map<string, number>();
  let recheckedAt = 0;
  if (!authenticate) {
    logger.warn({ mode: 'development' }, 'DEVELOPMENT MODE: the backend has no authenticate hook, so everybody is who they say they are');
  }

  async function identify(handshake: Handshake, claimed = ''): Promise<Caller> {
    if (!authenticate) {
      if (claimed === '' || claimed === SYSTEM) throw new CotableError('auth.required', {});
      const session = sessionOf(claimed, {}, () => undefined) ?? { userId: claimed };
      return { userId: claimed, session, expiresAt: undefined, asOf: turns };
    }
    const revoked = new Set<string>();
    const asOf = turns;
    asking.add(revoked);
    try {
      const caller = toCaller(await within(() => authenticate(handshake), unknown(handshake)), asOf, unknown(handshake));
      if (revoked.has(caller.userId)) throw new CotableError('auth.revoked', {});
      if (claimed !== '' && claimed !== caller.userId && !claimed.startsWith(DEVICE)) {
        throw new CotableError('auth.otherUser', { claimed, authenticated: caller.userId });
      }
      return caller;
    } finally {
      asking.delete(revoked);
    }
  }

  function toCaller(identity: unknown, asOf: number, refuse: (cause?: unknown) => CotableError): Caller {
    if (identity === null || identity === undefined) throw refuse();
    if (typeof identity !== 'object' || !('userId' in identity)) throw refuse(new TypeError('authenticate() gave no userId'));
    const { userId, expiresAt, ...fields } = identity as { userId: unknown; expiresAt?: unknown };
    if (typeof userId !== 'string' || userId === '' || userId === SYSTEM) {
      throw refuse(new TypeError(`authenticate() gave the userId ${JSON.stringify(userId)}, which is nobody's`));
    }
    if (expiresAt !== undefined && (typeof expiresAt !== 'number' || Number.isNaN(expiresAt))) {
      throw refuse(new TypeError('authenticate() gave an expiresAt that is no number'));
    }
    if (expiresAt !== undefined && expiresAt <= clock.now()) throw new CotableError('auth.expired', {});
    const session = sessionOf(userId, fields, (problem) => {
      throw refuse(new TypeError(`authenticate() gave a session that does not fit: ${problem}`));
    });
    return { userId, session: session ?? { userId }, expiresAt, asOf };
  }

  /** What the schema lets through. `undefined` when it does not fit, and `refuse` has not thrown. */
  function sessionOf(userId: string, fields: object, refuse: (problem: string) => void): Session | undefined {
    if (!schema.session) return Object.freeze({ ...fields, userId });
    let problem: string | undefined;
    const note = (what: unknown): never => {
      problem = JSON.stringify(what);
      throw new TypeError(problem);
    };
    try {
      const valid = toFrozenJson(validate(schema.session, fields, 'session', note), note) as JsonObject;
      return Object.freeze({ ...valid, userId });
    } catch (error) {
      if (problem === undefined) throw error;
      return void refuse(problem);
    }
  }

  /** A hook that never answers is no reason to wait for ever. */
  async function within<T>(ask: () => T | Promise<T>, refuse: (cause: unknown) => CotableError): Promise<T> {
    let cancel = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(timeoutMs, () => reject(new CotableError('protocol.timeout', { ms: timeoutMs })));
    });
    try {
      return await Promise.race([(async () => ask())(), late]);
    } catch (error) {
      throw isCotableError(error) ? error : refuse(error);
    } finally {
      cancel();
    }
  }

  async function mayWrite({ session }: Caller, room: string): Promise<boolean> {
    if (!authorize) return true;
    const refuse = (cause?: unknown): CotableError => new CotableError('auth.forbidden', { room }, { cause });
    const rights = await within(() => authorize(session as never, room), refuse);
    if (rights !== 'read' && rights !== 'write') throw refuse();
    return rights === 'write';
  }

  async function mayRead({ caller, room, cut }: Reader): Promise<void> {
    await mayWrite(caller, room).catch((error: unknown) => cut.abort(error));
  }

  return {
    hasHooks: authenticate !== undefined || authorize !== undefined,
    identify,
    mayWrite,
    told: ({ session }) => (schema.session ? session : undefined),
    revoke(userId) {
      revokedAt.delete(userId);
      revokedAt.set(userId, ++turns);
      for (const oldest of revokedAt.keys()) {
        if (revokedAt.size <= REMEMBERED) break;
        revokedAt.delete(oldest);
      }
      for (const revoked of asking) revoked.add(userId);
      for (const { caller, cut } of readers) if (caller.userId === userId) cut.abort(new CotableError('auth.revoked', {}));
    },
    async recheck(room) {
      recheckedAt = ++turns;
      await Promise.all([...readers].map((reader) => (room === undefined || reader.room === room) && mayRead(reader)));
    },
    reading(caller, room, over) {
      const reader = { caller, room, cut: new AbortController() };
      readers.add(reader);
      over.addEventListener('abort', () => readers.delete(reader));
      if ((revokedAt.get(caller.userId) ?? 0) > caller.asOf) reader.cut.abort(new CotableError('auth.revoked', {}));
      else if (recheckedAt > caller.asOf) void mayRead(reader);
      return reader.cut.signal;
    },
  };
}

/** Nobody who is known: without a token it must show one, and with one it needs a better one. */
function unknown({ token }: Handshake): (cause?: unknown) => CotableError {
  return (cause) => (token ? new CotableError('auth.expired', {}, { cause }) : new CotableError('auth.required', {}, { cause }));
}

/** The token of a request: never one of its address, which ends up in logs. */
export function bearerOf(headers: Readonly<Record<string, string | undefined>>): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers['authorization'] ?? '')?.[1];
}
