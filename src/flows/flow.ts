import type { Validator } from '../schema/validator.ts';

/** What a client must know of a flow. Its type is enough: nothing of it has to reach a page. */
export interface AnyFlow {
  readonly kind: string;
  readonly actions: {
    readonly [name: string]: {
      readonly inputSchema: Validator;
      // Whatever it works with.
      readonly block: (input: never, ctx: never) => unknown;
    };
  };
}

/** `never` where it is not said which flow. */
export type FlowActionName<F extends AnyFlow> = [F] extends [never] ? never : keyof F['actions'] & string;

/** What a caller of an action gives. */
export type FlowInputOf<F extends AnyFlow, N extends FlowActionName<F>> =
  F['actions'][N]['inputSchema'] extends Validator<infer In, unknown> ? In : never;

/** What a caller of an action gets in the end. */
export type FlowResultOf<F extends AnyFlow, N extends FlowActionName<F>> = Awaited<ReturnType<F['actions'][N]['block']>>;
