import type { TableReader, Mutators } from '../schema/mutators.ts';
import type { ActionName, AnySchema, InOf, MutatorName, OutOf, RowOf, TableName } from '../schema/schema.ts';
import type { Validator } from '../schema/validator.ts';

/** Reading a table in an action: promises, because the room may have to be loaded. */
export type ActionTableReader<Row> = {
  readonly [K in keyof TableReader<Row>]: TableReader<Row>[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Result>
    : never;
};

/** What an action works with. */
export interface ActionContext<S extends AnySchema> {
  readonly runId: string;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly userId: string;
  readonly room: string;
  /** Aborted when the run is canceled or its attempt is over. */
  readonly signal: AbortSignal;
  /** Makes a real mutation. Resolves when the relay keeps it. */
  mutate<N extends MutatorName<S>>(name: N, input: InOf<S['mutators'][N]>): Promise<{ readonly id: string }>;
  table<N extends TableName<S>>(name: N): ActionTableReader<RowOf<S, N>>;
  enqueueAction<N extends ActionName<S>>(name: N, input: InOf<S['actions'][N]>): Promise<string>;
}

/** What an action's function returns: the input of its output validator. */
export type ActionResult<D> = D extends { readonly output: Validator<infer ResultIn, unknown> } ? ResultIn : never;

/** The functions of a schema's actions: all of them, and none besides. */
export type Actions<S extends AnySchema> = {
  readonly [N in ActionName<S>]: (ctx: ActionContext<S>, input: OutOf<S['actions'][N]>) => Promise<ActionResult<S['actions'][N]>>;
};

/** Everything a relay runs for a schema. A plain object of this shape works too. */
export interface BackendConfig<S extends AnySchema> {
  readonly schema: S;
  readonly mutators: Mutators<NoInfer<S>>;
  readonly actions?: Actions<NoInfer<S>>;
}

/** Ties schema, mutators and actions together for inference: what does not fit does not compile. Returns its argument. */
export function defineBackendConfig<S extends AnySchema>(config: BackendConfig<S>): BackendConfig<S> {
  return config;
}
