import { join } from 'node:path';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { mutators, schema } from './app.mjs';

/** What is wrong with the relay itself; links that end are no news. */
const logger = { info: () => undefined, warn: () => undefined, error: (...what) => console.error(...what) };

export async function serve(folder) {
  const relay = createRelay({ backend: { schema, mutators }, storage: sqlite(join(folder, 'relay.db')), logger });
  const { url } = await relay.listen();
  return { url, close: () => relay.close() };
}
