import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/** What the storage is to use here: Node's own SQLite where Node has it without a flag. */
export const driver = major > 22 || (major === 22 && minor >= 13) ? 'node:sqlite' : 'libsql';

/** Another program that has the file open. */
export interface Rival {
  exec(sql: string): void;
  close(): void;
}

export function openRival(file: string): Rival {
  const Database = (driver === 'libsql' ? require('libsql') : require('node:sqlite').DatabaseSync) as new (file: string) => Rival;
  return new Database(file);
}
