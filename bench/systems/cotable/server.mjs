import { join } from 'node:path';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay } from 'cotable/relay';
import { mutators, schema } from './app.mjs';

/** What is wrong with the relay itself; links that end are no news. */
const logger = { info: () => undefined, warn: () => undefined, error: (...what) => console.error(...what) };

export async function serve(folder) {
  /** What the action does, for each row that it streams into. */
  const work = new Map();
  const actions = {
    say: {
      cell: ({ key }) => ({ table: 'rows', key, field: 'text' }),
      async run(ctx, { key }) {
        await work.get(key)((piece) => ctx.broadcastStream(piece));
        return {};
      },
      onSettled(ctx, { input, text }) {
        // What is offered to a viewer that is paused fits into no row.
        if (text.length < 200_000) ctx.table('rows').update(input.key, { text });
      },
    },
  };
  const relay = createRelay({
    backend: { schema, mutators, actions },
    storage: sqlite(join(folder, 'relay.db')),
    logger,
    limits: { streamBytes: 64 * 1024 * 1024 },
  });
  const { url } = await relay.listen();
  return {
    url,
    close: () => relay.close(),
    async stream(room, produce) {
      const key = `stream-${work.size}`;
      const produced = new Promise((resolve, reject) => work.set(key, (say) => produce(say).then(resolve, reject)));
      await relay.mutate(room, 'ask', { key });
      return produced;
    },
  };
}
