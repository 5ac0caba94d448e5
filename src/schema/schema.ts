import { CotableError } from '../errors.ts';
import type { TableSchema } from './table.ts';
import type { JsonObject } from '../util/json.ts';
import { isValidator, type Validator } from './validator.ts';

/** A declared table. */
export interface TableShape<Row, RowInput = Row> {
  readonly schema: TableSchema<Row, RowInput>;
  readonly description?: string;
}

/** A declared mutator: what a caller gives (`In`) and what its function gets (`Out`). */
export interface Shape<In, Out = In> {
  readonly input: Validator<In, Out>;
  readonly description?: string;
}

/** Pieces of text that add up. */
export interface TextStream {
  readonly kind: 'text';
}
/** Pieces that make a list. An action says `In`, a viewer gets `Out`. */
export interface ItemsStream<In, Out = In> {
  readonly kind: 'items';
  readonly of: Validator<In, Out>;
}
/** Each piece takes the place of the one before. */
export interface ValueStream<In, Out = In> {
  readonly kind: 'value';
  readonly of: Validator<In, Out>;
}
/** What a run may say while it works. */
export type StreamDefinition = TextStream | ItemsStream<unknown, unknown> | ValueStream<unknown, unknown>;

/** A declared action: input as for a mutator; its function returns `ResultIn`, a caller gets `Result`. */
export interface ActionShape<In, Out = In, ResultIn = unknown, Result = ResultIn, Stream = undefined> extends Shape<In, Out> {
  readonly output: Validator<ResultIn, Result>;
  /** Without it, nothing may be said. */
  readonly stream?: Stream;
}

export interface TableShapes {
  readonly [name: string]: TableShape<unknown, unknown>;
}
export interface MutatorShapes {
  readonly [name: string]: Shape<unknown, unknown>;
}
export interface ActionShapes {
  readonly [name: string]: ActionShape<unknown, unknown, unknown, unknown, StreamDefinition | undefined>;
}

/** A session that says nothing but who it is. */
export type NoSession = Readonly<Record<never, never>>;

/** An app's data and operations, as one value and one type. `S` in all other types is `typeof schema`. */
export interface Schema<
  Tables extends TableShapes,
  Mutators extends MutatorShapes,
  Actions extends ActionShapes,
  Session extends JsonObject = NoSession,
> {
  readonly schemaVersion: number;
  readonly tables: Tables;
  readonly mutators: Mutators;
  readonly actions: Actions;
  /** Validates what `authenticate` of the backend says of a user besides the id. The user's own store is told of it, for rules. */
  readonly session?: Validator<unknown, Session>;
}

/** Any schema. Code that takes one is generic in `S extends AnySchema`. */
export type AnySchema = Schema<TableShapes, MutatorShapes, ActionShapes, JsonObject>;

/** What a session of the schema says besides `userId`. */
export type SessionFieldsOf<S extends AnySchema> = S extends { readonly session?: Validator<unknown, infer Fields> } ? Fields : NoSession;
/** Any session. */
export type Session = Readonly<{ userId: string }>;
/** Who is at the other end of a link or a request. */
export type SessionOf<S extends AnySchema> = Readonly<{ userId: string } & SessionFieldsOf<S>>;

/** Validators are left behind, so that hovers and declaration files show rows and inputs, not the library they came from. */
type TablesOf<T extends TableShapes> = {
  readonly [N in keyof T]: T[N]['schema'] extends TableSchema<infer Row, infer RowInput> ? TableShape<Row, RowInput> : never;
};
type MutatorsOf<M extends MutatorShapes> = {
  readonly [N in keyof M]: M[N]['input'] extends Validator<infer In, infer Out> ? Shape<In, Out> : never;
};
type ActionsOf<A extends ActionShapes> = {
  readonly [N in keyof A]: A[N]['input'] extends Validator<infer In, infer Out>
    ? A[N]['output'] extends Validator<infer ResultIn, infer Result>
      ? ActionShape<In, Out, ResultIn, Result, A[N] extends { readonly stream: infer Stream } ? StreamOf<Stream> : undefined>
      : never
    : never;
};
type StreamOf<Stream> = Stream extends { readonly kind: 'items'; readonly of: Validator<infer In, infer Out> }
  ? ItemsStream<In, Out>
  : Stream extends { readonly kind: 'value'; readonly of: Validator<infer In, infer Out> }
    ? ValueStream<In, Out>
    : TextStream;

export type TableName<S extends AnySchema> = keyof S['tables'] & string;
export type MutatorName<S extends AnySchema> = keyof S['mutators'] & string;
export type ActionName<S extends AnySchema> = keyof S['actions'] & string;

/** A row as it is read. Rows are frozen. */
export type RowOf<S extends AnySchema, N extends TableName<S>> =
  S['tables'][N] extends TableShape<infer Row, unknown> ? Readonly<Row> : never;
/** A row as it is written: what the validator fills in may be left out. */
export type RowInputOf<S extends AnySchema, N extends TableName<S>> =
  S['tables'][N] extends TableShape<unknown, infer RowInput> ? RowInput : never;

/** What a caller gives. */
export type InOf<D> = D extends Shape<infer In, unknown> ? In : never;
/** What the function gets. */
export type OutOf<D> = D extends Shape<unknown, infer Out> ? Out : never;

/** What an action's function returns: the input of its output validator. */
export type ResultInOf<D> = D extends { readonly output: Validator<infer ResultIn, unknown> } ? ResultIn : never;
/** What a caller of an action gets. */
export type ResultOf<D> = D extends { readonly output: Validator<unknown, infer Result> } ? Result : never;
type StreamIn<D> = D extends ActionShape<unknown, unknown, unknown, unknown, infer Stream> ? Stream : never;

/** What an action may say; `never` without a stream. */
export type PieceOf<D> = [StreamIn<D>] extends [TextStream]
  ? string
  : [StreamIn<D>] extends [ItemsStream<infer In, unknown> | ValueStream<infer In, unknown>]
    ? In
    : never;
/** The same as a viewer gets it: what the validator gives. */
export type StreamPieceOf<D> = [StreamIn<D>] extends [TextStream]
  ? string
  : [StreamIn<D>] extends [ItemsStream<unknown, infer Out> | ValueStream<unknown, infer Out>]
    ? Out
    : never;
/** What an action's stream has said so far: the text, the list, or the latest value, `undefined` before the first one. */
export type StreamStateOf<D> = [StreamIn<D>] extends [TextStream]
  ? string
  : [StreamIn<D>] extends [ItemsStream<unknown, infer Out>]
    ? readonly Out[]
    : [StreamIn<D>] extends [ValueStream<unknown, infer Out>]
      ? Out | undefined
      : never;

/**
 * Declares an app's tables, mutators and actions. Pure: nothing is opened. Throws `schema.invalid` with the path of the
 * first thing that is wrong: a version that is not a positive integer, a name that is not an identifier (or is `then`,
 * `constructor`, `__proto__`), something that is no validator, a stream of no kind, a migration to a version that is not.
 */
export function defineSchema<
  const T extends TableShapes,
  const M extends MutatorShapes,
  // eslint-disable-next-line typescript/no-empty-object-type -- an app without actions has none, not any
  const A extends ActionShapes = {},
  Session extends JsonObject = NoSession,
>(definition: {
  readonly schemaVersion: number;
  readonly tables: T;
  readonly mutators: M;
  readonly actions?: A;
  readonly session?: Validator<unknown, Session>;
}): Schema<TablesOf<T>, MutatorsOf<M>, ActionsOf<A>, Session> {
  const { schemaVersion, tables, mutators, session } = definition;
  const actions: ActionShapes = definition.actions ?? {};
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1) invalid('schemaVersion', 'it is not a positive integer');
  for (const [name, shape] of declared('tables', tables)) {
    requireValidator(`tables.${name}.schema`, shape.schema?.row);
    for (const version of Object.keys(shape.schema.migrations ?? {})) {
      const isBetween = Number.isSafeInteger(Number(version)) && Number(version) > 1 && Number(version) <= schemaVersion;
      if (!isBetween) invalid(`tables.${name}.schema.migrations.${version}`, `a migration leads to a version from 2 to ${schemaVersion}`);
    }
  }
  for (const [name, shape] of declared('mutators', mutators)) requireValidator(`mutators.${name}.input`, shape.input);
  for (const [name, shape] of declared('actions', actions)) {
    requireValidator(`actions.${name}.input`, shape.input);
    requireValidator(`actions.${name}.output`, shape.output);
    requireStream(`actions.${name}.stream`, shape.stream);
  }
  if (session !== undefined) requireValidator('session', session);
  const schema: AnySchema = Object.freeze({ schemaVersion, tables, mutators, actions, ...(session && { session }) });
  // The shapes are the same objects; only their type forgets which library validates them.
  return schema as Schema<TablesOf<T>, MutatorsOf<M>, ActionsOf<A>, Session>;
}

const FORBIDDEN_NAMES = new Set(['then', 'constructor', '__proto__']);

function declared<D>(kind: string, shapes: { readonly [name: string]: D }): [string, D][] {
  const entries = Object.entries(shapes);
  for (const [name] of entries) {
    if (!/^[A-Za-z_]\w{0,63}$/.test(name) || FORBIDDEN_NAMES.has(name)) {
      invalid(
        `${kind}.${name}`,
        'names are 1 to 64 letters, digits and underscores, not beginning with a digit, and not then, constructor or __proto__',
      );
    }
  }
  return entries;
}

function requireValidator(path: string, value: unknown): void {
  if (!isValidator(value)) invalid(path, 'it is not a Standard Schema validator');
}

function requireStream(path: string, stream: StreamDefinition | undefined): void {
  if (stream === undefined || stream.kind === 'text') return;
  if (stream.kind !== 'items' && stream.kind !== 'value') invalid(path, 'its kind is not text, items or value');
  requireValidator(`${path}.of`, stream.of);
}

function invalid(path: string, problem: string): never {
  throw new CotableError('schema.invalid', { path, problem });
}
