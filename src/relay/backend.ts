import type { Access } from '../access/access.ts';
import type { CotableError } from '../errors.ts';
import type { AnyHooks, Hooks } from './guard.ts';
import type { Platform, PlatformCaller } from './platform.ts';
import type { MutatorContext, Mutators, TableReader } from '../schema/mutators.ts';
import type {
  ActionName,
  AnySchema,
  InOf,
  MutatorName,
  OutOf,
  PieceOf,
  ResultInOf,
  ResultOf,
  RowOf,
  StreamStateOf,
  TableName,
} from '../schema/schema.ts';
import type { Emitters } from './emitters.ts';

/** A backend that has no platform: nothing can be called. */
export type NoPlatform = Readonly<Record<never, never>>;

/** Reading a table in an action: promises, because the room may have to be loaded. */
export type ActionTableReader<Row> = {
  readonly [K in keyof TableReader<Row>]: TableReader<Row>[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Result>
    : never;
};

/**
 * What an action works with. `Piece`: what its stream carries, `State`: what that adds up to; `never` without one. A piece
 * leaves at once, and those that follow leave together, every 50 ms. The three ways to say one never wait, and throw
 * `stream.invalidPiece`, `value.notJson`, `stream.tooLarge` (nothing of the piece was said then), or `run.fenced`.
 */
export interface ActionContext<
  S extends AnySchema,
  Piece = never,
  P extends Platform = NoPlatform,
  State = unknown,
> extends Emitters<Piece> {
  readonly runId: string;
  /** 1 for the first try. A run that a crash cut off is tried again. */
  readonly attempt: number;
  /** Who asked. */
  readonly userId: string;
  readonly room: string;
  /** Aborted when this attempt is over: the relay shuts down. */
  readonly signal: AbortSignal;
  /** Makes a real mutation, as the user who asked. Resolves when the relay keeps it. Rejects with `run.fenced` in an attempt that is over. */
  mutate<N extends MutatorName<S>>(name: N, input: InOf<S['mutators'][N]>): Promise<{ readonly id: string }>;
  table<N extends TableName<S>>(name: N): ActionTableReader<RowOf<S, N>>;
  /** Queues a run of another action; its id. */
  enqueueAction<N extends ActionName<S>>(name: N, input: InOf<S['actions'][N]>): Promise<string>;
  /** What the backend lets actions call outside. */
  readonly platform: PlatformCaller<P>;
  /** What the attempt before had said when it broke off, whoever it was for; after a crash all but about its last quarter of a second. */
  readonly previous: { readonly attempt: number; readonly state: State } | undefined;
}

/** The cell that shows an action's text stream while it is open. */
export type CellOf<S extends AnySchema> = {
  readonly [T in TableName<S>]: { readonly table: T; readonly key: string; readonly field: keyof RowOf<S, T> & string };
}[TableName<S>];

/** How a run ended, for `onSettled`. `text`: all that its text stream said, whoever it was for. */
export type SettledRun<In, Output> = { readonly id: string; readonly input: In; readonly text: string } & (
  | { readonly status: 'succeeded'; readonly output: Output; readonly error: undefined }
  | { readonly status: 'failed'; readonly output: undefined; readonly error: CotableError }
);

/** The function of an action. */
export type ActionFunction<S extends AnySchema, N extends ActionName<S>, P extends Platform = NoPlatform> = (
  ctx: ActionContext<S, PieceOf<S['actions'][N]>, P, StreamStateOf<S['actions'][N]>>,
  input: OutOf<S['actions'][N]>,
) => Promise<ResultInOf<S['actions'][N]>>;

/** An action's function with what surrounds it. */
export interface ActionPolicy<S extends AnySchema, N extends ActionName<S>, P extends Platform = NoPlatform> {
  readonly run: ActionFunction<S, N, P>;
  /** Binds its text stream to a cell: while it is open, rows and queries show it there; nothing of it is in the document. */
  readonly cell?: (input: OutOf<S['actions'][N]>) => CellOf<S>;
  /**
   * Mutator code in the transaction that ends the run: called for every ending, and the one place to write the final
   * state of a row. When it throws, the run ends as failed with what it threw, and nothing is written.
   */
  readonly onSettled?: (ctx: MutatorContext<S>, run: SettledRun<OutOf<S['actions'][N]>, ResultOf<S['actions'][N]>>) => void | Promise<void>;
}

/** The actions of a schema: all of them, and none besides; each a function, or a policy with `run`. */
export type Actions<S extends AnySchema, P extends Platform = NoPlatform> = {
  readonly [N in ActionName<S>]: ActionFunction<S, N, P> | ActionPolicy<S, N, P>;
};

/** An action as the engine sees it: which schema it belongs to was checked where it was given. */
export interface AnyActionPolicy {
  readonly run: (ctx: ActionContext<AnySchema, unknown, Platform, unknown>, input: never) => Promise<unknown>;
  readonly cell?: (input: never) => { readonly table: string; readonly key: string; readonly field: string };
  readonly onSettled?: (ctx: MutatorContext<AnySchema>, run: never) => void | Promise<void>;
}

/** Everything a relay runs for a schema. A plain object of this shape works too. */
export interface BackendConfig<S extends AnySchema, P extends Platform = NoPlatform> extends Hooks<NoInfer<S>> {
  readonly schema: S;
  readonly mutators: Mutators<NoInfer<S>>;
  readonly actions?: Actions<NoInfer<S>, NoInfer<P>>;
  /** Who may change which rows; see `defineAccess`. Judged for what stores write; what the backend writes itself is trusted. */
  readonly access?: Access<NoInfer<S>>;
  /** What actions may call outside; see `definePlatform`. */
  readonly platform?: P;
}

/**
 * Ties schema, mutators, actions and platform together for inference: what does not fit does not compile. Returns its
 * argument. With `platform`, give both types, `defineBackendConfig<typeof schema, typeof platform>`, or none.
 */
export function defineBackendConfig<S extends AnySchema, P extends Platform = NoPlatform>(
  config: BackendConfig<S, P>,
): BackendConfig<S, P> {
  return config;
}

/** The hooks of a backend. Their types were checked against the schema where it was given. */
export function hooksOf<S extends AnySchema, P extends Platform>({ authenticate, authorize }: BackendConfig<S, P>): AnyHooks {
  return { authenticate, authorize } as AnyHooks;
}

/** Every action as a policy. Their types were checked against the schema where the backend was given. */
export function policiesOf<S extends AnySchema, P extends Platform>({
  actions = {} as never,
}: BackendConfig<S, P>): Record<string, AnyActionPolicy> {
  const policies: Record<string, AnyActionPolicy> = {};
  for (const [name, action] of Object.entries<unknown>(actions)) {
    policies[name] = (typeof action === 'function' ? { run: action } : action) as AnyActionPolicy;
  }
  return policies;
}
