import type { TableReader } from '../schema/mutators.ts';

/** Reading a table in an action: promises, because the room may have to be loaded. */
export type ActionTableReader<Row> = {
  readonly [K in keyof TableReader<Row>]: TableReader<Row>[K] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Result>
    : never;
};
