import { digest } from 'lib0/hash/sha256';
import { encodeUtf8 } from 'lib0/string';
import { toWellFormed } from '../../util/text.ts';

/**
 * A session is a room of this name: `<kind>~<secret><mark>`. The secret is 128 bits nobody guesses; the mark is made of it and
 * of the user whose session it is, so that everybody who knows the name can tell the owner from others, and nothing about it has
 * to be kept anywhere.
 */
const SECRET = 32;
const MARK = 16;
const SESSION = new RegExp(`^([A-Za-z][\\w-]{0,63})~([\\da-f]{${SECRET + MARK}})$`);
/** A request is found by its name alone: that of its session without the kind, and that of its run. */
const REQUEST = new RegExp(`^([\\da-f]{${SECRET + MARK}})\\.([\\da-f]{${SECRET}})$`);

/** 128 random bits. */
export function freshSecret(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(SECRET / 2)));
}

/** The same for the same parts, for whoever knows them all. */
export function secretOf(...parts: readonly string[]): string {
  return toHex(digest(encodeUtf8(toWellFormed(JSON.stringify(parts)))).subarray(0, SECRET / 2));
}

export function sessionName(kind: string, userId: string, secret: string): string {
  return `${kind}~${secret}${markOf(kind, userId, secret)}`;
}

/** The kind of flow that a room may be a session of; `undefined`: none has such a name. */
export function kindOf(room: string): string | undefined {
  return SESSION.exec(room)?.[1];
}

/** Whether a session is this user's. */
export function isOwner(session: string, userId: string): boolean {
  const [, kind = '', rest = ''] = SESSION.exec(session) ?? [];
  return kind !== '' && rest.slice(SECRET) === markOf(kind, userId, rest.slice(0, SECRET));
}

export function requestName(session: string, run: string): string {
  return `${session.slice(session.indexOf('~') + 1)}.${run}`;
}

/** Where a request of a flow of this kind lies; `undefined`: it is no name of one. */
export function placeOf(kind: string, requestId: string): { readonly room: string; readonly run: string } | undefined {
  const [, session, run] = REQUEST.exec(requestId) ?? [];
  return session !== undefined && run !== undefined ? { room: `${kind}~${session}`, run } : undefined;
}

function markOf(kind: string, userId: string, secret: string): string {
  return secretOf(kind, userId, secret, 'owner').slice(0, MARK);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
