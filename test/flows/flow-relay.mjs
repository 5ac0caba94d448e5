// A relay of a flow as people run it: `node flow-relay.mjs FILE [PORT]`. Prints where it listens, as JSON.
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { defineMutators, defineSchema } from 'cotable';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, defineFlow } from 'cotable/relay';
import { z } from 'zod';

const [file, port = '0'] = process.argv.slice(2);
const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });
const flow = defineFlow({
  kind: 'count',
  actions: {
    count: {
      inputSchema: z.object({ to: z.number(), everyMs: z.number() }),
      userMessage: ({ to }) => `count to ${to}`,
      async block({ to, everyMs }, ctx) {
        const first = await ctx.step('first', () => {
          appendFileSync(`${file}.effects`, 'begun\n');
          return 1;
        });
        const item = ctx.addItem({ role: 'assistant' });
        for (let n = first; n <= to; n++) {
          item.delta(`${n} `);
          await pause(everyMs);
        }
        await item.done();
        return { counted: to };
      },
    },
    // Says less each time, and is done when it is begun for the second time.
    less: {
      inputSchema: z.object({}),
      async block(_, ctx) {
        await ctx.addItem({ role: 'tool', text: `of attempt ${ctx.attempt}` }).done();
        if (ctx.attempt > 1) return;
        await ctx.addItem({ role: 'tool', text: 'not said again' }).done();
        ctx.addItem({ role: 'assistant' }).delta('left open');
        await new Promise(() => undefined);
      },
    },
  },
});
const relay = createRelay({ backend: { schema, mutators: defineMutators({}), flows: [flow] }, storage: sqlite(file) });
const { port: bound } = await relay.listen(Number(port));
process.stdout.write(`${JSON.stringify({ port: bound })}\n`);
