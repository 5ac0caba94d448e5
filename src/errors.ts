import { catalogue, type CodeDefinition } from './catalogue.ts';

/** What a validator (Standard Schema) found wrong: a sentence and the path inside the value. */
export interface Issue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** A code of Cotable's own catalogue. */
export type ErrorCode = keyof typeof catalogue;

interface TypedParams {
  'schema.invalid': { path: string; problem: string };
  'schema.asyncValidator': { path: string };
  'schema.tooOld': { mine: number; theirs: number };
  'schema.tooNew': { mine: number; theirs: number };
  /** A store is told the version alone. */
  'schema.migrationFailed': { version: number; table: string; key: string; issues: readonly Issue[] };
  'value.notJson': { path: string; found: string };
  'row.invalid': { table: string; key: string; issues: readonly Issue[] };
  'row.invalidKey': { table: string; problem: string };
  'row.notFound': { table: string; key: string };
  'mutation.invalidInput': { name: string; issues: readonly Issue[] };
  'auth.forbidden': { room: string };
  'auth.otherUser': { claimed: string; authenticated: string };
  'access.denied': { table: string; key: string; fields: readonly string[] };
  'mutation.unknown': { name: string };
  'mutation.failed': { name: string; reason: string };
  'mutation.tooLarge': { name: string; size: number; unit: 'bytes' | 'cells'; limit: number };
  'mutation.contested': { name: string };
  'clock.outOfBounds': { aheadMs: number };
  'writer.gap': { expected: number; found: number };
  'room.invalidName': { problem: string };
  'room.newerSchema': { mine: number; theirs: number };
  'protocol.badFrame': { problem: string };
  'protocol.frameTooLarge': { bytes: number; limit: number };
  'protocol.unsupportedVersion': { mine: number; theirs: number };
  'protocol.timeout': { ms: number };
  'protocol.gateRefused': { rule: string };
  'request.notFound': { method: string; path: string };
  'request.tooLarge': { limit: number };
  'request.originRefused': { origin: string };
  'limit.bytes': { bytes: number; limit: number };
  'limit.rate': { seconds: number };
  'limit.links': { limit: number };
  'storage.corrupt': { record: string };
  'storage.unavailable': { reason: string };
  'relay.invalidOption': { path: string; problem: string };
  'action.unknown': { name: string };
  'action.offline': { name: string };
  'action.invalidInput': { name: string; issues: readonly Issue[] };
  'action.invalidOutput': { name: string; issues: readonly Issue[] };
  'action.missingHandler': { name: string };
  'action.idempotencyMismatch': { name: string; key: string };
  'action.concurrencyRejected': { name: string; limit: number };
  'platform.unknownService': { service: string };
  'platform.failed': { service: string; reason: string };
  'run.failed': { name: string; reason: string };
  'flow.unknown': { kind: string; action: string };
  /** `problem`: the first of them, with its path before it. */
  'flow.invalidInput': { problem: string; issues: readonly Issue[] };
  'flow.sessionNotFound': { session: string };
  'flow.capacity': { limit: number; seconds: number };
  'stream.invalidPiece': { name: string; issues: readonly Issue[] };
  'stream.tooLarge': { name: string; bytes: number; limit: number };
  'stream.slowViewer': { ms: number };
  'stream.gone': { run: string };
  'stream.reset': { run: string };
  'run.timeout': { name: string; ms: number };
  'run.expired': { name: string };
  'run.terminal': { status: string };
  'run.notFound': { run: string };
  'routing.invalidServiceRouteName': { name: string };
  'sync.invalidVersion': { version: string };
  'sync.invalidRequest': { problem: string };
  'sync.invalidCallback': { name: string };
  'sync.invalidInputType': { message: string; issues: readonly Issue[] };
  'sync.notFound': { name: string; version: string };
  'sync.noReceiversFound': { receiver: string };
  'sync.requestTimeout': { name: string; ms: number };
  'sync.rateLimitExceeded': { seconds: number };
  'sync.serverExecutionFailed': { name: string };
  'sync.clientExecutionFailed': { name: string; reason: string };
  'sync.clientRejected': { name: string; reason: string };
  'sync.invalidClientResponse': { name: string };
  'offline.queueFull': { size: number };
  'offline.dropped': { reason: string };
  'offline.kept': { key: string };
}

/** What an error of a code carries: the catalogue's parameters, nothing for codes without, anything JSON for an app's own codes. */
export type ErrorParams<Code extends string> = Code extends keyof TypedParams
  ? TypedParams[Code]
  : Code extends ErrorCode
    ? Record<string, never>
    : Readonly<Record<string, unknown>>;

/** The shape of an error on the wire. */
export interface ErrorBody {
  readonly status: 'error';
  readonly errorCode: string;
  readonly errorParams: Readonly<Record<string, unknown>>;
  readonly message: string;
  readonly httpStatus: number;
}

/**
 * The one error class. `code` is stable and decides; `params` are typed by it; `message` and `hint` are English for
 * developers and may change. Recognise it with {@link isCotableError}, never with `instanceof`: two copies of the
 * package may be loaded.
 */
export class CotableError<Code extends string = string> extends Error {
  override readonly name = 'CotableError';
  readonly code: Code;
  readonly params: ErrorParams<Code>;
  readonly httpStatus: number;
  readonly hint: string;

  constructor(code: Code, params: ErrorParams<Code>, options?: { readonly cause?: unknown }) {
    const definition = definitionOf(code);
    super(definition ? fill(definition.message, params) : code, options);
    this.code = code;
    this.params = params;
    this.httpStatus = definition?.httpStatus ?? 400;
    this.hint = definition ? fill(definition.hint, params) : 'This code belongs to the app.';
  }

  toJSON(): ErrorBody {
    return { status: 'error', errorCode: this.code, errorParams: this.params, message: this.message, httpStatus: this.httpStatus };
  }
}

/** Each code of the catalogue as a type of its own, so that `switch (error.code)` narrows `error.params`. */
export type AnyCotableError = { [Code in ErrorCode]: CotableError<Code> }[ErrorCode];

/** Whether a value is an error of Cotable's, or one of the given code. An app's own code (see {@link reject}) is found by giving it. */
export function isCotableError(error: unknown): error is AnyCotableError;
export function isCotableError<Code extends string>(error: unknown, code: Code): error is CotableError<Code>;
export function isCotableError(error: unknown, code?: string): boolean {
  if (!(error instanceof Error) || error.name !== 'CotableError' || !('code' in error)) return false;
  return code === undefined || error.code === code;
}

/**
 * Refuses from inside a mutator: throws, so that nothing of the mutation happens, and the code and params reach the
 * caller. The code is the app's own, as `area.name`.
 */
export function reject(code: string, params: Readonly<Record<string, unknown>> = {}): never {
  if (definitionOf(code) || !/^[a-z][\w-]*(\.[\w-]+)+$/i.test(code)) {
    throw new TypeError(`reject() takes a code of the app's own like 'chat.muted', not '${code}'`);
  }
  throw new CotableError<string>(code, params);
}

/** An error that came over a wire or out of a store, as an error again. */
export function errorFromBody(body: { readonly errorCode: string; readonly errorParams: Readonly<Record<string, unknown>> }): CotableError {
  return new CotableError<string>(body.errorCode, body.errorParams);
}

/** The same of an error as it is kept and sent: its code and params alone. */
export function errorOf({ code, params }: { readonly code: string; readonly params: Readonly<Record<string, unknown>> }): CotableError {
  return errorFromBody({ errorCode: code, errorParams: params });
}

/** Anything thrown, as an error of the catalogue: Cotable's own pass, others become the cause of what `wrap` makes. */
export function asCotableError(error: unknown, wrap: (reason: string) => CotableError): CotableError {
  return isCotableError(error) ? (error as CotableError) : wrap(error instanceof Error ? error.message : String(error));
}

function definitionOf(code: string): CodeDefinition | undefined {
  return Object.hasOwn(catalogue, code) ? catalogue[code as ErrorCode] : undefined;
}

function fill(text: string, params: object): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value: unknown = Reflect.get(params, name);
    return value === undefined ? whole : String(value);
  });
}
