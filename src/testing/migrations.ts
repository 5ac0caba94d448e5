import type { AppVersion } from './app-version.ts';
import type { Migrations } from './log-fold.ts';

type Values = Readonly<Record<string, unknown>>;

/** What the app's own migrations make of a row, asked one by one, and what its validator fills in after the last. */
export function migrationsOf(versions: readonly AppVersion[]): Migrations {
  return (table, row, from, to) => {
    const shape = versions.find(({ schema }) => schema.schemaVersion === to)?.schema.tables[table]?.schema;
    let values: Values | undefined = row;
    let steps = 0;
    for (let version = from + 1; version <= to && values; version++) {
      const migrate = shape?.migrations[version] as ((row: Values) => Values | undefined) | undefined;
      if (!migrate) continue;
      values = migrate(values);
      steps += 1;
    }
    const filled = values && steps > 0 ? shape?.row['~standard'].validate(values) : undefined;
    return filled && 'value' in filled ? { ...values, ...(filled.value as Values) } : values;
  };
}
