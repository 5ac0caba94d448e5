import type { JsonValue } from 'cotable';
import { vi } from 'vitest';
import { expect } from 'vitest';
import { rowsOf, when, type Act, type TestStore } from '../spec/support.ts';

/** A row of `things` is there with this value. */
export async function thing(store: TestStore, key: string, value: JsonValue): Promise<void> {
  await when(store.table('things').row$(key), ({ row }) => JSON.stringify(row?.value) === JSON.stringify(value));
}

/** All show the same, which is returned. */
export async function equalRows(...stores: readonly TestStore[]): Promise<Readonly<Record<string, unknown>>> {
  const [first] = stores;
  if (!first) throw new Error('no store');
  await vi.waitFor(
    () => {
      for (const store of stores) expect(rowsOf(store)).toEqual(rowsOf(first));
    },
    { timeout: 5_000, interval: 5 },
  );
  return rowsOf(first);
}

/** Mutations that are written down as lists of writes: `['things', 'a', 1]` sets, `['things', 'a']` deletes. */
export const writes: Act = (ctx, input) => {
  for (const [table, key, value] of input as unknown as readonly ['things' | 'records', string, JsonValue | undefined][]) {
    if (value === undefined) ctx.table(table).delete(key);
    else if (table === 'things') ctx.table(table).set(key, { value });
    else ctx.table(table).set(key, { value });
  }
};
