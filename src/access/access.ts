import { CotableError, isCotableError } from '../errors.ts';
import type { TableReader } from '../schema/mutators.ts';
import type { AnySchema, RowOf, SessionOf, TableName } from '../schema/schema.ts';
import { jsonEquals, ownField, type JsonObject } from '../util/json.ts';

/** What a row rule may look at besides the row: everything as it was before the mutation. */
export interface AccessContext<S extends AnySchema> {
  /** Who makes the mutation. */
  readonly userId: string;
  readonly room: string;
  /** What `authenticate` of the backend said of the user, as `session` of the schema lets it through. */
  readonly session: SessionOf<S>;
  table<N extends TableName<S>>(name: N): TableReader<RowOf<S, N>>;
}

/**
 * Who may change rows of one table. Each rule answers at once, with `true` to allow; anything else is `access.denied`, and so
 * is what it throws, save an error of Cotable's or `reject(code)`, which is the refusal itself. A kind of change without a
 * rule is allowed.
 */
export interface RowRules<S extends AnySchema, Row> {
  /** The row was not there. */
  readonly insert?: (ctx: AccessContext<S>, change: { readonly key: string; readonly after: Row }) => boolean;
  /** `fields`: those whose value differs. */
  readonly update?: (
    ctx: AccessContext<S>,
    change: { readonly key: string; readonly before: Row; readonly after: Row; readonly fields: readonly (keyof Row & string)[] },
  ) => boolean;
  readonly delete?: (ctx: AccessContext<S>, change: { readonly key: string; readonly before: Row }) => boolean;
}

/** The access rules of an app. */
export interface Access<S extends AnySchema> {
  readonly tables?: { readonly [N in TableName<S>]?: RowRules<S, RowOf<S, N>> };
}

/**
 * Types access rules against a schema: `defineAccess<typeof schema>({ tables: { notes: { delete: (ctx, { before }) => ... } } })`.
 * The same value is given to `createStore`, which refuses a mutation at once, and to the relay's backend, which judges what
 * a mutation really changes and has the last word. Returns its argument.
 */
export function defineAccess<S extends AnySchema = never>(access: [S] extends [never] ? never : Access<NoInfer<S>>): Access<S> {
  // The condition only keeps out a call that does not say which schema.
  return access as Access<S>;
}

/** Access rules as the engine sees them: which schema they belong to was checked where they were given. */
export interface AnyAccess {
  readonly tables?: { readonly [name: string]: RowRules<AnySchema, never> | undefined };
}

/** A row that a mutation changes. */
export interface RowChange {
  readonly key: string;
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
}

/** Throws `access.denied`, or the code that a rule rejected with, for the first change that is not allowed. */
export function checkAccess(
  access: AnyAccess | undefined,
  ctx: AccessContext<AnySchema>,
  table: string,
  changes: readonly RowChange[],
): void {
  const rules = access?.tables && Object.hasOwn(access.tables, table) ? access.tables[table] : undefined;
  if (!rules) return;
  for (const { key, before, after } of changes) {
    const fields = before && after ? changedFields(before, after) : Object.keys(after ?? before ?? {});
    // `never` is what makes rules of every table fit; the rows are of the table whose rules these are.
    const change = { key, before, after, fields } as never;
    const rule = !before ? rules.insert : after ? rules.update : rules.delete;
    const denied = (cause?: unknown): CotableError => new CotableError('access.denied', { table, key, fields }, { cause });
    let allowed: unknown;
    try {
      allowed = rule ? rule(ctx, change) : true;
    } catch (error) {
      throw isCotableError(error) ? error : denied(error);
    }
    if (allowed !== true) throw denied();
  }
}

function changedFields(before: JsonObject, after: JsonObject): string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields].filter((field) => !jsonEquals(ownField(before, field), ownField(after, field)));
}

/** The rows of a table, as store and relay hold them. */
export interface Rows {
  get(key: string): JsonObject | undefined;
  entries(): readonly (readonly [string, JsonObject])[];
}

export function createAccessContext(
  who: Pick<AccessContext<AnySchema>, 'userId' | 'room' | 'session'>,
  rowsOf: (table: string) => Rows,
): AccessContext<AnySchema> {
  return {
    ...who,
    table(name) {
      const rows = rowsOf(name);
      const reader: TableReader<JsonObject> = {
        get: (key) => rows.get(key),
        has: (key) => rows.get(key) !== undefined,
        list: () => rows.entries().map(([, row]) => row),
        entries: () => rows.entries(),
        first: () => rows.entries()[0]?.[1],
        count: () => rows.entries().length,
      };
      // Within, rows are plain JSON; which type they have is known only where the rules were given.
      return reader as TableReader<never>;
    },
  };
}
