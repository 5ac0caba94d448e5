import { checkAccess, createAccessContext, type AnyAccess } from '../access/access.ts';
import type { MutatorFunctions, MutatorHost } from '../mutation/run.ts';
import type { AnySchema, Session } from '../schema/schema.ts';
import type { TableState } from './table-state.ts';

/** What runs mutators of a store on these tables, and asks its access rules about what they leave. */
export function createHost(
  options: {
    readonly schema: AnySchema;
    readonly mutators: MutatorFunctions;
    readonly access: AnyAccess | undefined;
    readonly room: string;
    /** Of whoever writes, for the rules; `undefined` while no relay has said: then it judges alone. */
    readonly session: (userId: string) => Session | undefined;
  },
  tables: () => ReadonlyMap<string, TableState>,
): MutatorHost {
  const { schema, mutators, access, room } = options;
  const source = (table: string): TableState => {
    const state = tables().get(table);
    if (!state) throw new Error(`there is no table ${table}`);
    return state;
  };
  return {
    schema,
    mutators,
    room,
    source,
    check:
      access &&
      (({ userId }, table, changes) => {
        const session = options.session(userId);
        if (session) checkAccess(access, createAccessContext({ userId, room, session }, source), table, changes);
      }),
  };
}
