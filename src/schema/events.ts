import { CotableError } from '../errors.ts';
import { isWellFormed } from '../util/text.ts';

/** What a page knows of one version of an event: what it gives and what it gets. Types alone; `never` where nothing streams. */
export interface EventTypes<
  Input = unknown,
  ServerOutput = unknown,
  ClientOutput = unknown,
  ServerStream = unknown,
  ClientStream = unknown,
> {
  /** What `data` of a request is. */
  readonly input: Input;
  /** What `server` returns, without `status`. */
  readonly serverOutput: ServerOutput;
  /** What `recipient` returns, without `status`; `{}` where there is none. */
  readonly clientOutput: ClientOutput;
  /** A piece that `server` says, as it arrives. */
  readonly serverStream: ServerStream;
  /** A piece that `recipient` says, as it arrives. */
  readonly clientStream: ClientStream;
}

/** Events by name and version. Write one down where the definition itself must not be seen, not even as a type. */
export interface EventContract {
  readonly [name: string]: { readonly [version: string]: EventTypes };
}

/** The events of a backend as a page knows them: `typeof events` of what `defineEvents` gave, or `Events<Contract>`. */
export interface Events<C extends EventContract> {
  /** There is no such value: it carries the types. */
  readonly '~contract'?: C;
}

/** The answer to a request. */
export type SyncResponse<Output = unknown> = SyncSuccess<Output> | SyncFailure;

export interface SyncSuccess<Output = unknown> {
  readonly status: 'success';
  readonly message: string;
  /** What `server` returned, without `status`. */
  readonly result: Output;
  /** To how many sessions it went, before the per-recipient handler has filtered any. */
  readonly recipientCount: number;
}

export interface SyncFailure {
  readonly status: 'error';
  /** For people, in their language where the backend has it. */
  readonly message: string;
  /** Stable: compare it. */
  readonly errorCode: string;
  readonly errorParams?: Readonly<Record<string, unknown>>;
  readonly httpStatus?: number;
}

const MAX_NAME = 120;
const MAX_KEY = 256;

/** Throws `routing.invalidServiceRouteName` unless a name is `service/event`, with as many segments as you like. */
export function checkEventName(name: unknown): asserts name is string {
  const isName = typeof name === 'string' && name.length <= MAX_NAME && /^[A-Za-z_][\w-]*(\/[A-Za-z_][\w-]*)+$/.test(name);
  if (!isName) throw new CotableError('routing.invalidServiceRouteName', { name: String(name).slice(0, MAX_NAME) });
}

/** Throws `sync.invalidVersion` unless a version is `v1`, `v2` and so on. */
export function checkEventVersion(version: unknown): asserts version is string {
  const isVersion = typeof version === 'string' && /^v[1-9]\d{0,5}$/.test(version);
  if (!isVersion) throw new CotableError('sync.invalidVersion', { version: String(version).slice(0, MAX_NAME) });
}

/** Throws `sync.invalidRequest` for an idempotency key that would not arrive as it is. */
export function checkRequestKey(key: unknown): asserts key is string {
  const isKey = typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY && isWellFormed(key);
  if (!isKey) throw new CotableError('sync.invalidRequest', { problem: `a key is a well-formed string of 1 to ${MAX_KEY} characters` });
}
