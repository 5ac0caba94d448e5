import type { EnqueueOptions } from '../../schema/mutators.ts';
import { checkEventName, checkEventVersion, type Events, type EventTypes } from '../../schema/events.ts';
import type {
  ActionName,
  AnySchema,
  InOf,
  ItemsStream,
  MutatorName,
  RowOf,
  Schema,
  SessionOf,
  StreamDefinition,
  TableName,
  TextStream,
  ValueStream,
} from '../../schema/schema.ts';
import { isValidator, type Validator } from '../../schema/validator.ts';
import { CotableError } from '../../errors.ts';
import type { ActionTableReader } from '../action-table.ts';
import type { Emitters } from '../emitters.ts';

/** A backend without a schema: its events reach no tables. */
export type NoSchema = Schema<Readonly<Record<never, never>>, Readonly<Record<never, never>>, Readonly<Record<never, never>>>;
/** No functions of the app's own. */
export type NoFunctions = Readonly<Record<never, never>>;

/** What handlers may call besides what the app gives them. */
export interface SessionFunctions<S extends AnySchema> {
  readonly session: {
    /** The session of an opaque session id, as `token` of a per-recipient handler is; `null` when this relay holds no such link. */
    getSession(token: string): Promise<SessionOf<S> | null>;
  };
}

/** A failure of a handler: `errorCode` is a key that the app translates, never text. */
export interface EventFailure {
  readonly status: 'error';
  readonly errorCode: string;
  /** Plain JSON. */
  readonly errorParams?: Readonly<Record<string, unknown>>;
  /** Default: that of the code in the catalogue, 400 for the app's own. */
  readonly httpStatus?: number;
  /** For the log alone. */
  readonly errorMessage?: string;
}

/** What a handler returns. All of a success but `status` is its output, plain JSON. */
export type EventResult = { readonly status: 'success' } | EventFailure;

/**
 * What `server` works with. All of it are closures: they may be taken apart and handed on. The three ways to say a piece never wait, and throw
 * as those of an action do (`stream.invalidPiece`, `value.notJson`, `stream.tooLarge`, `run.fenced`).
 */
export interface ServerContext<S extends AnySchema, F, Input, User, Piece> extends Emitters<Piece> {
  /** `data` of the request, as the validator gives it. */
  readonly clientInput: Input;
  /** The session of who asked, as `authenticate` gave it. */
  readonly user: User;
  readonly functions: F & SessionFunctions<S>;
  /** The room: `receiver` of the request. */
  readonly roomCode: string;
  /** To who asked, whatever link it has by then: `onStream` of the request. */
  readonly stream: (piece: Piece) => void;
  /** To everyone in the room; with `ignoreSelf` not to the user who asked. */
  readonly broadcastStream: (piece: Piece) => void;
  /** To the sessions of these users, and to these sessions. */
  readonly streamTo: (userOrSessionIds: readonly string[], piece: Piece) => void;
  /** Aborted when the request is dropped or canceled, or the relay closes: never because a link is gone. */
  readonly signal: AbortSignal;
  /** As in an action: a real mutation, by the user who asked. */
  mutate<N extends MutatorName<S>>(name: N, input: InOf<S['mutators'][N]>): Promise<{ readonly id: string }>;
  table<N extends TableName<S>>(name: N): ActionTableReader<RowOf<S, N>>;
  enqueueAction<N extends ActionName<S>>(name: N, input: InOf<S['actions'][N]>, options?: EnqueueOptions): Promise<string>;
}

/** What `recipient` works with, once for each session that gets the event. */
export interface RecipientContext<S extends AnySchema, F, Input, Output, Piece> {
  readonly clientInput: Input;
  /** What `server` returned, without `status`; `{}` where there is none. */
  readonly serverOutput: Output;
  /** The opaque id of the session that it is about. */
  readonly token: string;
  readonly functions: F & SessionFunctions<S>;
  readonly roomCode: string;
  /** To this session alone. Throws as the ways of `server` do. */
  readonly stream: (piece: Piece) => void;
}

/** Who may ask for an event. */
export interface EventAuth<S extends AnySchema, Login extends boolean> {
  /** Whether somebody must be known: `auth.required` otherwise. Default `true`. Without it, `user` may be `null`. */
  readonly login?: Login;
  /** Each must say yes to the session: `auth.forbidden` otherwise. Not asked where nobody is known. */
  readonly additional?: readonly ((session: SessionOf<S>) => boolean | Promise<boolean>)[];
}

type In<V> = V extends Validator<infer Given, unknown> ? Given : never;
type Out<V> = V extends Validator<unknown, infer Got> ? Got : never;
/** A piece as a handler says it. */
type Says<D> = D extends TextStream
  ? string
  : D extends ItemsStream<infer Piece, unknown> | ValueStream<infer Piece, unknown>
    ? Piece
    : never;
/** The same as it arrives. */
type Hears<D> = D extends TextStream
  ? string
  : D extends ItemsStream<unknown, infer Piece> | ValueStream<unknown, infer Piece>
    ? Piece
    : never;
/** Without `status`, for each success that there may be. */
type OutputOf<R> = R extends { readonly status: 'success' }
  ? { readonly [K in keyof R as K extends keyof EventFailure ? ([R[K]] extends ['success' | undefined] ? never : K) : K]: R[K] }
  : never;
type UserOf<S extends AnySchema, Login> = Login extends false ? SessionOf<S> | null : SessionOf<S>;

/** One version of an event. */
export interface EventOptions<
  S extends AnySchema,
  F,
  Login extends boolean,
  V extends Validator,
  Stream extends StreamDefinition | undefined,
  RecipientStream extends StreamDefinition | undefined,
  Result extends EventResult,
  RecipientResult extends EventResult,
> {
  readonly auth?: EventAuth<S, Login>;
  /** Of `data`. Synchronous. */
  readonly input: V;
  /** What `server` may say. Left out: nothing. */
  readonly stream?: Stream;
  /** What `recipient` may say. Left out: nothing. */
  readonly recipientStream?: RecipientStream;
  /** How often a user, or an address where nobody is known, may ask in a window. Default: `defaultApiLimit` of the backend. */
  readonly rateLimit?: number;
  /** Runs once for each request, and never a second time: see {@link defineEvents}. */
  readonly server?: (ctx: ServerContext<S, F, Out<V>, UserOf<S, Login>, Says<Stream>>) => Result | Promise<Result>;
  /**
   * Runs after `server`, once for each session that listens in the room, on the relay that holds it. What it returns is that
   * session's `clientOutput`. Where it fails or refuses, that session does not get the event, and nobody is told but the log.
   */
  readonly recipient?: (
    ctx: RecipientContext<S, F, Out<V>, OutputOf<Result>, Says<RecipientStream>>,
  ) => RecipientResult | Promise<RecipientResult>;
}

/** An event as the engine sees it: its types were checked where it was defined. */
export interface AnyEvent {
  readonly auth?: { readonly login?: boolean; readonly additional?: readonly ((session: never) => unknown)[] };
  readonly input: Validator;
  readonly stream?: StreamDefinition;
  readonly recipientStream?: StreamDefinition;
  readonly rateLimit?: number;
  readonly server?: (ctx: never) => unknown;
  readonly recipient?: (ctx: never) => unknown;
}

/** One version of an event with the types that a page knows of it. */
export interface EventDefinition<Types extends EventTypes> extends AnyEvent {
  /** There is no such value: it carries the types. */
  readonly '~types'?: Types;
}

/** Defines one version of an event, so that its types can be inferred one by one. */
export type EventBuilder<S extends AnySchema, F> = <
  V extends Validator,
  Login extends boolean = true,
  Stream extends StreamDefinition | undefined = undefined,
  RecipientStream extends StreamDefinition | undefined = undefined,
  const Result extends EventResult = { readonly status: 'success' },
  const RecipientResult extends EventResult = { readonly status: 'success' },
>(
  options: EventOptions<S, F, Login, V, Stream, RecipientStream, Result, RecipientResult>,
) => EventDefinition<EventTypes<In<V>, OutputOf<Result>, OutputOf<RecipientResult>, Hears<Stream>, Hears<RecipientStream>>>;

/** Events by name and version. */
export interface EventDefinitions {
  readonly [name: string]: { readonly [version: string]: EventDefinition<EventTypes> };
}

/** Keeps out what is not named `service/event`, and versions that are not `v` and a number. */
type Named<D> = {
  readonly [N in keyof D]: N extends `${string}/${string}`
    ? { readonly [V in keyof D[N]]: V extends `v${number}` ? D[N][V] : 'versions are v1, v2 and so on' }
    : 'names begin with a service: service/event';
};

type TypesOf<D extends EventDefinitions> = {
  readonly [N in keyof D & string]: {
    readonly [V in keyof D[N] & string]: D[N][V] extends EventDefinition<infer Types> ? Types : never;
  };
};

/** Events with their handlers: for `events` of a backend. A page gets its type alone. */
export interface DefinedEvents<D extends EventDefinitions = EventDefinitions> extends Events<TypesOf<D>> {
  readonly definitions: EventDefinitions;
  readonly functions: object;
}

/**
 * Declares the events of a backend. `define` is called once, at once, with a builder for one version of one event. Pure. Throws
 * `routing.invalidServiceRouteName` and `sync.invalidVersion` for names and versions that are none (both do not compile either), and `schema.invalid` for
 * an event without any handler, or whose input or stream is no validator.
 *
 * `server` runs once for each request and is never run again: when the relay goes down while it is at work, who asked gets
 * `sync.serverExecutionFailed`. Events reach who listens when they happen, and nobody later: what must last belongs into a table.
 *
 * `schema` types `user`, `mutate`, `table` and `enqueueAction`; give the backend's. `functions` are handed to all handlers.
 */
export function defineEvents<
  S extends AnySchema = NoSchema,
  F extends object = NoFunctions,
  const D extends EventDefinitions = EventDefinitions,
>(options: { readonly schema?: S; readonly functions?: F }, define: (event: EventBuilder<S, F>) => D & Named<D>): DefinedEvents<D> {
  const builder: EventBuilder<S, F> = (event) => event;
  const definitions: EventDefinitions = define(builder);
  for (const [name, versions] of Object.entries(definitions)) {
    checkEventName(name);
    for (const [version, event] of Object.entries(versions)) {
      checkEventVersion(version);
      checkEvent(`events.${name}.${version}`, event);
    }
  }
  return Object.freeze({ definitions, functions: options.functions ?? {} });
}

function checkEvent(path: string, { input, stream, recipientStream, server, recipient, rateLimit }: AnyEvent): void {
  const check = (isRight: boolean, part: string, problem: string): void => {
    if (!isRight) throw new CotableError('schema.invalid', { path: `${path}.${part}`, problem });
  };
  check(isValidator(input), 'input', 'it is not a Standard Schema validator');
  for (const [part, says] of Object.entries({ stream, recipientStream })) {
    check(says === undefined || says.kind === 'text' || isValidator(says.of), part, 'it is no stream of text, items or value');
  }
  for (const [part, handler] of Object.entries({ server, recipient })) {
    check(handler === undefined || typeof handler === 'function', part, 'it is no function');
  }
  check(server !== undefined || recipient !== undefined, 'server', 'an event has server, recipient, or both');
  check(rateLimit === undefined || (Number.isSafeInteger(rateLimit) && rateLimit > 0), 'rateLimit', 'it is no whole number above 0');
}
