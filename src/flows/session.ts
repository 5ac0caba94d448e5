import { defineAccess, type Access } from '../access/access.ts';
import { defineMutators } from '../schema/mutators.ts';
import { defineSchema } from '../schema/schema.ts';
import { table } from '../schema/table.ts';
import type { Validator } from '../schema/validator.ts';
import type { FlowItem } from './events.ts';

/** An item as a session keeps it. `at`: when it was added, in milliseconds since 1970; no two of a session have the same. */
export type FlowRow = FlowItem & { readonly at: number };

/** Rows and inputs are made by the relay itself; whoever else writes is refused by a rule. */
function trusted<T>(isOne: (value: Partial<T>) => boolean): Validator<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'cotable',
      validate: (value) =>
        typeof value === 'object' && value !== null && isOne(value) ? { value: value as T } : { issues: [{ message: 'it is no item' }] },
    },
  };
}

const isItem = ({ id, requestId, role, text, status }: Partial<FlowItem>): boolean =>
  [id, requestId, role, text, status].every((field) => typeof field === 'string');

/** What is in the room of a session, whatever the flow: one table, `items`. */
export const sessionSchema = defineSchema({
  schemaVersion: 1,
  tables: { items: { schema: table(trusted<FlowRow>((row) => isItem(row) && typeof row.at === 'number')) } },
  mutators: { putItem: { input: trusted<FlowItem>(isItem) }, removeItems: { input: trusted<readonly string[]>(Array.isArray) } },
});

/** The functions of its mutators. They are the relay's: what a store writes is refused. */
export const sessionMutators = defineMutators<typeof sessionSchema>({
  putItem(ctx, item) {
    const items = ctx.table('items');
    const latest = items.list().reduce((last, { at }) => Math.max(last, at), 0);
    items.set(item.id, { ...item, at: items.get(item.id)?.at ?? Math.max(ctx.now, latest + 1) });
  },
  removeItems(ctx, ids) {
    for (const id of ids) ctx.table('items').delete(id);
  },
});

const never = (): boolean => false;

/** Nobody but the relay writes. Given to a store too, it is refused there at once. */
export const sessionAccess: Access<typeof sessionSchema> = defineAccess<typeof sessionSchema>({
  tables: { items: { insert: never, update: never, delete: never } },
});

/** Rows in the order in which they were added. */
export function inOrder(rows: readonly FlowRow[]): readonly FlowRow[] {
  return rows.toSorted((a, b) => a.at - b.at);
}
