import { asCotableError, CotableError } from '../errors.ts';
import type { CellChanges } from '../doc/cells.ts';
import type { Intent } from '../protocol/frames.ts';
import type { MutatorContext } from '../schema/mutators.ts';
import type { AnySchema } from '../schema/schema.ts';
import { validate } from '../schema/validator.ts';
import { createDerived } from '../util/derived.ts';
import { toFrozenJson, type JsonValue } from '../util/json.ts';
import { toIntent } from './enqueue.ts';
import { intentRunId, keyedRunId } from './run-id.ts';
import { createTableOverlay, type RowChange, type RowSource, type TableOverlay } from './overlay.ts';

/** A mutator as the engine sees it: which schema it belongs to was checked where it was given. */
export type MutatorFunction = (ctx: MutatorContext<AnySchema>, input: never) => void | Promise<void>;
/** What runs on an overlay: a mutator with its input, or code of the same kind that has no name in the schema. */
export type MutatorBody = (ctx: MutatorContext<AnySchema>) => void | Promise<void>;
export interface MutatorFunctions {
  readonly [name: string]: MutatorFunction;
}

/** Throws `schema.invalid` when a mutator of the schema has no function. */
export function checkMutators(schema: AnySchema, mutators: MutatorFunctions): void {
  for (const name of Object.keys(schema.mutators)) {
    if (!Object.hasOwn(mutators, name) || typeof mutators[name] !== 'function') {
      throw new CotableError('schema.invalid', { path: `mutators.${name}`, problem: 'its function is missing' });
    }
  }
}

/** Who runs a mutator, on what. */
export interface MutatorHost {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly room: string;
  /** The table as it stands at the moment of the call. */
  source(table: string): RowSource;
  /** Throws why a mutation may not leave rows of a table so. Called when its mutator has ended well. */
  check?(call: Call, table: string, changes: readonly RowChange[]): void;
}

/** One mutation to be run: its name and input decide everything that follows, together with `id`, `at` and what it reads. */
export interface Call {
  readonly id: string;
  readonly name: string;
  /** Plain JSON, as the caller gave it. */
  readonly input: JsonValue;
  readonly userId: string;
  /** Milliseconds since 1970: `ctx.now`. */
  readonly at: number;
}

/** What a mutator did, not yet applied. */
export interface MutatorResult {
  readonly intents: readonly Intent[];
  isStale(): boolean;
  /** By table: the rows that it read or wrote; `undefined`: all of them. */
  used(): ReadonlyMap<string, ReadonlySet<string> | undefined>;
  floor(): number;
  /** By table, only those with changes. */
  changes(clock: number): ReadonlyMap<string, CellChanges>;
}

/**
 * Checks name and input of a call. Returns the input as plain JSON, to be kept. Throws `mutation.unknown`,
 * `mutation.invalidInput`, `value.notJson` or `schema.asyncValidator`.
 */
export function checkCall(host: MutatorHost, name: string, input: unknown): JsonValue {
  validateInput(host, name, input);
  return toFrozenJson(input, ({ path, found }) => {
    throw new CotableError('value.notJson', { path: ['input', ...path].join('.'), found });
  });
}

/** A mutator whose reads changed this often while it awaited is given up. */
const MAX_RUNS = 10;

/**
 * Runs a mutator and hands what it did to `commit`, in one step with the check that all it read still stands. When it
 * does not, because the mutator awaited and others wrote, the mutator runs again: `mutation.contested` after ten times.
 */
export function runAndCommit<T>(
  host: MutatorHost,
  call: Call,
  commit: (result: MutatorResult) => T,
  body: MutatorBody = mutatorOf(host, call),
  run = 1,
): T | Promise<T> {
  const { result, running } = start(host, call, body);
  if (!running) {
    // Only a mutator that makes mutations itself gets here: what it read is not so any more.
    if (result.isStale()) throw new CotableError('mutation.contested', { name: call.name });
    return commit(result);
  }
  const again = (): T | Promise<T> => {
    if (run >= MAX_RUNS) throw new CotableError('mutation.contested', { name: call.name });
    return runAndCommit(host, call, commit, body, run + 1);
  };
  return running.then(
    () => (result.isStale() ? again() : commit(result)),
    (error: unknown) => {
      // It may have thrown only because of what changed under it.
      if (result.isStale()) return again();
      throw error;
    },
  );
}

/**
 * Runs a mutator against an overlay: within the call when it awaits nothing. Throws (or rejects with) the error that the
 * mutator threw: Cotable's own and those of `reject()` as they are, others as the cause of `mutation.failed`.
 */
export function runMutator(host: MutatorHost, call: Call): MutatorResult | Promise<MutatorResult> {
  const { result, running } = start(host, call, mutatorOf(host, call));
  return running ? running.then(() => result) : result;
}

/** `running` is there when the mutator has not ended within the call. */
function start(
  host: MutatorHost,
  call: Call,
  body: MutatorBody,
): { readonly result: MutatorResult; readonly running: Promise<void> | undefined } {
  const overlays = new Map<string, TableOverlay>();
  const intents: Intent[] = [];
  let over = false;

  const derived = createDerived(call.id);
  const ctx: MutatorContext<AnySchema> = {
    userId: call.userId,
    room: host.room,
    mutationId: call.id,
    now: call.at,
    random: derived.random,
    newId: derived.newId,
    table: overlay,
    enqueueAction(name, actionInput, options) {
      assertOpen();
      const intent = toIntent(host.schema, name, actionInput, options, call.at);
      intents.push(intent);
      return intent.key === '' ? intentRunId(call.id, intents.length) : keyedRunId(call.userId, name, intent.key);
    },
    cancelAction(runId) {
      assertOpen();
      if (typeof runId !== 'string' || runId === '') throw new TypeError('cancelAction() takes the id of a run');
      intents.push({ cancel: runId });
    },
  };

  function assertOpen(): void {
    if (over) throw new Error(`the mutation ${call.name} is over: await everything that a mutator does`);
  }

  function overlay(name: string): TableOverlay {
    const shape = Object.hasOwn(host.schema.tables, name) ? host.schema.tables[name] : undefined;
    if (!shape) throw new CotableError('schema.invalid', { path: `tables.${name}`, problem: 'there is no such table' });
    let found = overlays.get(name);
    if (!found) overlays.set(name, (found = createTableOverlay(name, shape.schema, host.source(name), assertOpen)));
    return found;
  }

  const result: MutatorResult = {
    intents,
    isStale: () => [...overlays].some(([name, table]) => table.source !== host.source(name) || table.isStale()),
    used: () => new Map([...overlays].map(([name, table]) => [name, table.used()])),
    floor: () => Math.max(0, ...[...overlays.values()].map((table) => table.floor())),
    changes(clock) {
      const changes = new Map<string, CellChanges>();
      for (const [name, table] of overlays) {
        const cells = table.changes(clock);
        if (cells.size > 0) changes.set(name, cells);
      }
      return changes;
    },
  };
  const fail = (error: unknown): never => {
    over = true;
    throw asCotableError(error, (reason) => new CotableError('mutation.failed', { name: call.name, reason }, { cause: error }));
  };
  const done = (): void => {
    over = true;
    for (const [name, table] of overlays) host.check?.(call, name, table.rowChanges());
  };

  let running: void | Promise<void>;
  try {
    running = body(ctx);
  } catch (error) {
    return fail(error);
  }
  if (isThenable(running)) return { result, running: running.then(done, fail) };
  done();
  return { result, running: undefined };
}

function mutatorOf(host: MutatorHost, call: Call): MutatorBody {
  const mutator = Object.hasOwn(host.mutators, call.name) ? host.mutators[call.name] : undefined;
  if (!mutator) throw new CotableError('mutation.unknown', { name: call.name });
  const input = validateInput(host, call.name, call.input);
  // `never` is what makes functions of every schema fit; the validator has just made the value what this one takes.
  return (ctx) => mutator(ctx, input as never);
}

function validateInput(host: MutatorHost, name: string, input: unknown): unknown {
  const shape = Object.hasOwn(host.schema.mutators, name) ? host.schema.mutators[name] : undefined;
  if (!shape) throw new CotableError('mutation.unknown', { name });
  return validate(shape.input, input, `mutators.${name}.input`, (issues) => {
    throw new CotableError('mutation.invalidInput', { name, issues });
  });
}

function isThenable(value: void | Promise<void>): value is Promise<void> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
