export interface OracleResult {
  /** By table, by key. */
  readonly rows: Record<string, Record<string, Record<string, unknown>>>;
  /** By table, by cell key: what a document of it holds. */
  readonly cells: Record<string, Record<string, readonly unknown[]>>;
  /** `replica.counter` of each entry, in order. */
  readonly mutations: readonly string[];
}

export declare function foldLog(
  entries: readonly { readonly seq: number; readonly bytes: Uint8Array }[],
  rebirths?: readonly { readonly after: number; readonly bytes: Uint8Array }[],
  pending?: readonly { readonly table: string; readonly key: string; readonly cell: readonly unknown[] }[],
): OracleResult;
