export interface OracleResult {
  /** By table, by key. */
  readonly rows: Record<string, Record<string, Record<string, unknown>>>;
  /** `replica.counter` of each entry, in order. */
  readonly mutations: readonly string[];
}

export declare function foldLog(
  entries: readonly { readonly seq: number; readonly bytes: Uint8Array }[],
  rebirths?: readonly { readonly after: number; readonly bytes: Uint8Array }[],
): OracleResult;
