import type { AnyFlow, FlowActionName, FlowInputOf, FlowResultOf } from '../flows/flow.ts';
import { createClient, type ClientOptions, type FlowClient, type SendOptions } from './create-client.ts';
import type { FlowRun } from './flow-run.ts';

/** A client with a method for each action of a flow. */
export interface TypedClient<F extends AnyFlow> extends FlowClient {
  readonly actions: {
    readonly [N in FlowActionName<F>]: (input: FlowInputOf<F, N>, options?: SendOptions) => Promise<FlowRun<FlowResultOf<F, N>>>;
  };
}

/**
 * A client whose actions are checked by the compiler. With the flow itself, `createTypedClient({ flow: myFlow })`, or by its type
 * alone, so that nothing of the server reaches a page: `createTypedClient<typeof myFlow>({ flow: 'my-app' })`, with `import type`.
 */
export function createTypedClient<F extends AnyFlow>({
  flow,
  ...options
}: { readonly flow: F | F['kind'] } & Omit<ClientOptions, 'flowKind'>): TypedClient<F> {
  const client = createClient({ ...options, flowKind: typeof flow === 'string' ? flow : flow.kind });
  const actions = new Proxy(
    {},
    {
      // A promise would have a `then`.
      get: (_, name) =>
        typeof name === 'string' && name !== 'then'
          ? (input: unknown, sent?: SendOptions) => client.sendAction(name, input, sent)
          : undefined,
    },
  );
  // Which names there are is known to the compiler alone.
  return { ...client, actions: actions as TypedClient<F>['actions'] };
}
