import { CotableError } from '../../errors.ts';
import type { FlowRequest } from '../../flows/events.ts';
import { sessionAccess, sessionMutators, sessionSchema } from '../../flows/session.ts';
import { isValidator, type Validator } from '../../schema/validator.ts';
import type { ConcurrencyPolicy, RetryPolicy } from '../run-policy.ts';
import type { Block, FlowContext } from './flow-context.ts';

/** An action of a flow: what it takes, and what is done then. */
export interface FlowAction<In, Parsed = In, Out = unknown> {
  /** Validates every request before anything happens, at once: one that answers with a promise takes none. */
  readonly inputSchema: Validator<In, Parsed>;
  /** What it returns is the result, plain JSON; nothing becomes `null`. What it throws fails the request. */
  readonly block: Block<Parsed, Out>;
  /** What the user is taken to have said: an item of the role `user`, before the block is called. */
  readonly userMessage?: (input: Parsed) => string;
  /** When an attempt that failed is made again. Default: never (`{ attempts: 1 }`). What a crash cuts off is begun again in any case. */
  readonly retry?: RetryPolicy;
  /** An attempt that takes longer fails with `run.timeout`. Default 15 minutes. */
  readonly timeoutMs?: number;
  /** How many requests may be at work at once. Default: as many as the relay has room for. */
  readonly concurrency?: ConcurrencyPolicy<Parsed>;
}

/** Actions whose types were checked where they were given. */
export interface AnyFlowAction {
  readonly inputSchema: Validator;
  readonly block: (input: never, ctx: FlowContext) => unknown;
  readonly userMessage?: (input: never) => string;
  readonly retry?: RetryPolicy;
  readonly timeoutMs?: number;
  readonly concurrency?: ConcurrencyPolicy<never>;
}

/** A request that has ended, for hooks. */
export interface EndedRequest extends FlowRequest {
  readonly userId: string;
  readonly input: unknown;
}

/**
 * Called when a request has ended, before the last event is said and before the end is kept: so once, or again when the relay
 * stopped in between. What one throws or rejects with is logged; nobody waits for one longer than 10 seconds.
 */
export interface FlowHooks {
  readonly onCompleted?: (request: EndedRequest, result: unknown) => void | Promise<void>;
  readonly onFailed?: (request: EndedRequest, error: CotableError) => void | Promise<void>;
  readonly onAborted?: (request: EndedRequest) => void | Promise<void>;
}

/** Actions that the outside world calls over HTTP. `schema`, `mutators` and `access`: with them a store opens one of its sessions. */
export interface Flow<Kind extends string, Actions extends { readonly [name: string]: AnyFlowAction }> {
  readonly kind: Kind;
  readonly actions: Actions;
  readonly hooks: FlowHooks;
  readonly schema: typeof sessionSchema;
  readonly mutators: typeof sessionMutators;
  readonly access: typeof sessionAccess;
}

/** A flow as the relay sees it. */
export type ServedFlow = Flow<string, { readonly [name: string]: AnyFlowAction }>;

/**
 * Declares a flow. Pure: nothing is opened; `defineBackendConfig({ flows: [myFlow] })` serves it. Each block takes what its
 * `inputSchema` gives, or it does not compile. Throws `schema.invalid`: a kind or a name of an action that is not 1 to 64
 * letters, digits, underscores and dashes beginning with a letter, or a schema that is no validator.
 */
export function defineFlow<
  const Kind extends string,
  In,
  Parsed extends { readonly [N in keyof In]: unknown },
  Out extends { readonly [N in keyof In]: unknown },
>(definition: {
  readonly kind: Kind;
  readonly hooks?: FlowHooks;
  // Three at once, so that each type is inferred from the one place that says it.
  readonly actions: { readonly [N in keyof In]: { readonly inputSchema: Validator<In[N], unknown> } } & {
    readonly [N in keyof Parsed]: Omit<FlowAction<unknown, NoInfer<Parsed[N]>>, 'inputSchema' | 'block'> & {
      readonly inputSchema: Validator<unknown, Parsed[N]>;
    };
  } & { readonly [N in keyof Out]: { readonly block: Block<N extends keyof Parsed ? NoInfer<Parsed[N]> : never, Out[N]> } };
}): Flow<Kind, { readonly [N in keyof In]: FlowAction<In[N], Parsed[N], Out[N]> }> {
  const { kind, hooks = {} } = definition;
  const actions: { readonly [name: string]: AnyFlowAction } = definition.actions as never;
  requireName('kind', kind);
  for (const [name, { inputSchema, block }] of Object.entries(actions)) {
    requireName(`actions.${name}`, name);
    if (!isValidator(inputSchema)) invalid(`actions.${name}.inputSchema`, 'it is not a Standard Schema validator');
    if (typeof block !== 'function') invalid(`actions.${name}.block`, 'it is no function');
  }
  const flow: ServedFlow = Object.freeze({
    kind,
    actions,
    hooks,
    schema: sessionSchema,
    mutators: sessionMutators,
    access: sessionAccess,
  });
  return flow as never;
}

function requireName(path: string, name: string): void {
  if (!/^[A-Za-z][\w-]{0,63}$/.test(name)) {
    invalid(path, 'names are 1 to 64 letters, digits, underscores and dashes, and begin with a letter');
  }
}

function invalid(path: string, problem: string): never {
  throw new CotableError('schema.invalid', { path: `flow.${path}`, problem });
}
