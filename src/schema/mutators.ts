import type { ActionName, AnySchema, InOf, MutatorName, OutOf, RowInputOf, RowOf, TableName } from './schema.ts';

/** Reading a table within a mutator: synchronous, and it sees the mutator's own writes. */
export interface TableReader<Row> {
  get(key: string): Row | undefined;
  has(key: string): boolean;
  /** All rows, ordered by key (UTF-16 code units). */
  list(): readonly Row[];
  /** The same with their keys. */
  entries(): readonly (readonly [key: string, row: Row])[];
  /** The row with the smallest key. */
  first(): Row | undefined;
  count(): number;
}

/**
 * Writing a table within a mutator. A row is validated when it is written: `row.invalid`, `value.notJson` or
 * `row.invalidKey` is thrown there, and that write did not happen.
 */
export interface TableWriter<Row, RowInput = Row> extends TableReader<Row> {
  /** Creates the row, or writes the fields that differ: fields the new row lacks are taken away, unknown ones too. */
  set(key: string, row: RowInput): void;
  /**
   * Writes the given fields of a row that is there; `undefined` takes an optional one away. Fields that are not given
   * stay, those too that this schema's validator does not know. Throws `row.notFound`.
   */
  update(key: string, fields: Partial<RowInput>): void;
  /** Takes the row away. Whether there was one. */
  delete(key: string): boolean;
}

/**
 * What a mutator works with. Everything here is equal whenever the same mutation runs again; `Date.now()` and
 * `Math.random()` are not.
 */
export interface MutatorContext<S extends AnySchema> {
  /** Who wrote it. A device without a user has a stable id of its own. */
  readonly userId: string;
  readonly room: string;
  readonly mutationId: string;
  /** When the mutation was made: milliseconds since 1970, by the clock of the device corrected by the relay's. */
  readonly now: number;
  /** The next number in [0, 1) of a sequence derived from the mutation's id. */
  random(): number;
  /** The next UUID of a sequence derived from the mutation's id. */
  newId(): string;
  table<N extends TableName<S>>(name: N): TableWriter<RowOf<S, N>, RowInputOf<S, N>>;
  /**
   * Asks for an action to run on the relay after this mutation is kept there. Nothing runs here. Returns the id of the
   * run, known at once. Throws `action.unknown`, `action.invalidInput` (of an option too) or `value.notJson`.
   */
  enqueueAction<N extends ActionName<S>>(name: N, input: InOf<S['actions'][N]>, options?: EnqueueOptions): string;
  /**
   * Cancels a run of the same user's in this room, with the mutation: from the moment the relay keeps it on, the run can
   * write nothing more, and ends as canceled. One that has ended, is not there or is another user's stays as it is.
   * Nothing happens here. What a mutation enqueues and cancels is done in that order.
   */
  cancelAction(runId: string): void;
}

/** How a run is queued. */
export interface EnqueueOptions {
  /**
   * At most one run of the user, the room and the action goes by a key: asking again names the same run, for 24 hours
   * after it was queued and until it has ended. 1 to 256 characters.
   */
  readonly idempotencyKey?: string;
  /** It begins this many milliseconds after `ctx.now` at the earliest. */
  readonly runAfter?: number;
  /** It begins then at the earliest. Either this or `runAfter`. */
  readonly runAt?: Date;
}

/** The functions of a schema's mutators: all of them, and none besides. */
export type Mutators<S extends AnySchema> = {
  readonly [N in MutatorName<S>]: (ctx: MutatorContext<S>, input: OutOf<S['mutators'][N]>) => void | Promise<void>;
};

/**
 * Types an object of mutator functions against a schema: `defineMutators<typeof schema>({...})`. The same functions are
 * given to `createStore` and to `createRelay`. Without the type argument nothing fits.
 */
export function defineMutators<S extends AnySchema = never>(mutators: [S] extends [never] ? never : Mutators<NoInfer<S>>): Mutators<S> {
  // The condition only keeps out a call that does not say which schema.
  return mutators as Mutators<S>;
}
