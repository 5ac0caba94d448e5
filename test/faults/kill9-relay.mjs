// A relay in a process of its own: `node kill9-relay.mjs FILE PORT`. Prints its port when it listens.
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { access, actions, mutators, schema } from './kill9-app.mjs';

const [file, port = '0'] = process.argv.slice(2);
const quiet = () => undefined;
const relay = createRelay({
  backend: { schema, mutators, access, actions },
  storage: sqlite(file),
  // An independent fold of the log goes from its first entry to its last: no new epoch comes between.
  limits: { compaction: { minItems: Infinity, writers: Infinity } },
  logger: { info: quiet, warn: quiet, error: (fields, message) => process.stderr.write(`${message} ${fields.error ?? ''}\n`) },
});
const { url } = await relay.listen(Number(port));
process.stdout.write(`${new URL(url).port}\n`);
process.once('SIGTERM', async () => {
  await relay.close();
  process.exit(0);
});
