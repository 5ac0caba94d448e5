import type { Access } from '../access/access.ts';
import type { ActionTableReader } from './action-table.ts';
import type { CotableError } from '../errors.ts';
import type { AnyHooks, Hooks } from './guard.ts';
import type { RunEnding, StoredRun } from '../ports/run-storage.ts';
import type { Platform, PlatformCaller } from './platform.ts';
import type { ConcurrencyPolicy, CronPolicy, RetryPolicy } from './run-policy.ts';
import type { EnqueueOptions, MutatorContext, Mutators } from '../schema/mutators.ts';
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
  SessionOf,
  StreamStateOf,
  TableName,
} from '../schema/schema.ts';
import type { AllEmitters, Emitters } from './emitters.ts';
import type { RoomEventOptions } from './events/options.ts';
import type { ServedFlow } from './flows/define-flow.ts';

/** A backend that has no platform: nothing can be called. */
export type NoPlatform = Readonly<Record<never, never>>;

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
  /** 1 for the first, then higher with each: after an error, after a crash, after a redrive. */
  readonly attempt: number;
  /** The same in every attempt of this run, and of no other run: to be handed to services that do a thing once for a key. */
  readonly idempotencyKey: string;
  /** Who asked. */
  readonly userId: string;
  /**
   * The session of who asked, as it was then: what `authenticate` said and `session` of the schema let through, frozen; it is
   * kept with the run, and stays as it is whatever becomes of the user since. Nothing but `userId` where the schema declares
   * no session, and for what the clock or the relay itself asks for (`userId` is `system`). Of a mutation that asks, its
   * author's; of an action that asks, the one that it has itself.
   */
  readonly session: SessionOf<S>;
  readonly room: string;
  /**
   * Aborted when this attempt is over before it has ended, with the reason: `run.canceled`, `run.timeout`, `run.fenced` (the
   * run goes on elsewhere) or `relay.closed`. It can write nothing from then on.
   */
  readonly signal: AbortSignal;
  /** Makes a real mutation, as the user who asked (or as `as` of its policy says). Resolves when the relay keeps it. Rejects with `run.fenced` in an attempt that is over. */
  mutate<N extends MutatorName<S>>(name: N, input: InOf<S['mutators'][N]>): Promise<{ readonly id: string }>;
  table<N extends TableName<S>>(name: N): ActionTableReader<RowOf<S, N>>;
  /**
   * Queues a run of an action for the same user; resolves with its id when it is kept. `runAfter` counts from now. Rejects
   * with `action.unknown`, `action.invalidInput`, `action.idempotencyMismatch`, `value.notJson`, `run.failed` (the
   * concurrency key of the action threw) or `run.fenced`.
   */
  enqueueAction<N extends ActionName<S>>(name: N, input: InOf<S['actions'][N]>, options?: EnqueueOptions): Promise<string>;
  /**
   * Does a thing once for a run: when an attempt has done `fn` under this key, this and all later ones get what it gave
   * then, as JSON, and `fn` is not called. Two calls with one key at once are one. What `fn` throws is not kept. Rejects with
   * `value.notJson`, `run.fenced`, or what `fn` throws.
   */
  step<T>(key: string, fn: () => T | Promise<T>): Promise<T>;
  /** What the backend lets actions call outside. */
  readonly platform: PlatformCaller<P>;
  /** What the attempt before had said when it broke off, whoever it was for; after a crash all but about its last quarter of a second. */
  readonly previous: { readonly attempt: number; readonly state: State } | undefined;
}

/** The cell that shows an action's text stream while it is open. */
export type CellOf<S extends AnySchema> = {
  readonly [T in TableName<S>]: { readonly table: T; readonly key: string; readonly field: keyof RowOf<S, T> & string };
}[TableName<S>];

/**
 * How a run ended, for `onSettled`. `said`: what the stream of its last attempt had said, whoever it was for; `text`: the same
 * of a text stream, otherwise empty.
 */
export type SettledRun<In, Output, State = unknown> = {
  readonly id: string;
  readonly input: In;
  readonly text: string;
  readonly said: State | undefined;
} & (
  | { readonly status: 'succeeded'; readonly output: Output; readonly error: undefined }
  | { readonly status: 'failed' | 'canceled' | 'expired'; readonly output: undefined; readonly error: CotableError }
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
   * state of a row. When it throws, the run ends as failed with what it threw, and nothing is written. It is not called
   * for a run whose input does not fit the schema any more.
   */
  readonly onSettled?: (
    ctx: MutatorContext<S>,
    run: SettledRun<OutOf<S['actions'][N]>, ResultOf<S['actions'][N]>, StreamStateOf<S['actions'][N]>>,
  ) => void | Promise<void>;
  /** `at-most-once`: there is never a second attempt; one that is cut off ends its run as failed. Default `at-least-once`. */
  readonly delivery?: 'at-least-once' | 'at-most-once';
  readonly retry?: RetryPolicy;
  /** An attempt that takes longer fails with `run.timeout`. Default 15 minutes. */
  readonly timeoutMs?: number;
  /**
   * In whose name `ctx.mutate` and `onSettled` write, and ask for runs: `ctx.userId` is, in those mutators, who asked for the
   * run (`caller`, the default), or `system`.
   */
  readonly as?: 'caller' | 'system';
  readonly concurrency?: ConcurrencyPolicy<OutOf<S['actions'][N]>>;
  /** Runs that the clock asks for, as the user `system`. Each time is one run, however many relays there are. */
  readonly cron?: CronPolicy<InOf<S['actions'][N]>> | readonly CronPolicy<InOf<S['actions'][N]>>[];
}

/** The actions of a schema: all of them, and none besides; each a function, or a policy with `run`. */
export type Actions<S extends AnySchema, P extends Platform = NoPlatform> = {
  readonly [N in ActionName<S>]: ActionFunction<S, N, P> | ActionPolicy<S, N, P>;
};

/** What the function of any action works with. */
export type EngineContext = ActionContext<AnySchema, unknown, Platform, unknown> & AllEmitters;

/** An action as the engine sees it: which schema it belongs to was checked where it was given. */
export interface AnyActionPolicy {
  readonly run: (ctx: EngineContext, input: never) => Promise<unknown>;
  readonly cell?: (input: never) => { readonly table: string; readonly key: string; readonly field: string };
  readonly onSettled?: (ctx: MutatorContext<AnySchema>, run: never) => void | Promise<void>;
  readonly delivery?: 'at-least-once' | 'at-most-once';
  readonly retry?: RetryPolicy;
  readonly timeoutMs?: number;
  readonly as?: 'caller' | 'system';
  readonly concurrency?: ConcurrencyPolicy<never>;
  readonly cron?: CronPolicy<unknown> | readonly CronPolicy<unknown>[];
  /**
   * Called before an end is kept, with how the run would end: again when that had to be tried again elsewhere. What it
   * throws is logged.
   */
  readonly onEnding?: (run: StoredRun, ending: RunEnding) => void | Promise<void>;
}

/** Everything a relay runs for a schema. A plain object of this shape works too. */
export interface BackendConfig<S extends AnySchema, P extends Platform = NoPlatform> extends Hooks<NoInfer<S>>, RoomEventOptions {
  readonly schema: S;
  readonly mutators: Mutators<NoInfer<S>>;
  readonly actions?: Actions<NoInfer<S>, NoInfer<P>>;
  /** Who may change which rows; see `defineAccess`. Judged for what stores write; what the backend writes itself is trusted. */
  readonly access?: Access<NoInfer<S>>;
  /** What actions may call outside; see `definePlatform`. */
  readonly platform?: P;
  /** Actions that the outside world calls over HTTP; see `defineFlow`. */
  readonly flows?: readonly ServedFlow[];
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
