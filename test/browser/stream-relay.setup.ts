import { memoryRelayStorage } from 'cotable/adapters/memory';
import { reject } from 'cotable';
import { createRelay, defineFlow } from 'cotable/relay';
import type { TestProject } from 'vitest/node';
import { z } from 'zod';
import { mutators, schema } from './stream-schema.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A relay whose action says the texts of the rows `1`, `2` ... as they come, and ends with the row `end`, badly if that says so. */
    streamUrl: string;
  }
}

/** Says what it is told, and then waits until the same session is told `go on`. */
const waiting = new Map<string, () => void>();
export const flow = defineFlow({
  kind: 'echo',
  actions: {
    say: {
      inputSchema: z.object({ text: z.string() }),
      userMessage: ({ text }) => text,
      async block({ text }, { sessionId, addItem }) {
        const item = addItem({ role: 'assistant' });
        item.delta(`you said `);
        if (text === 'go on') waiting.get(sessionId)?.();
        else await new Promise<void>((resolve) => waiting.set(sessionId, resolve));
        item.delta(text);
      },
    },
  },
});

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const relay = createRelay({
    backend: {
      schema,
      mutators,
      flows: [flow],
      actions: {
        talk: {
          async run(ctx) {
            let next = 1;
            while (!ctx.signal.aborted) {
              const row = await ctx.table('rows').get(String(next));
              if (row) {
                ctx.broadcastStream(row.text);
                next += 1;
              } else if ((await ctx.table('rows').get('end'))?.text === 'badly') reject('talk.lost');
              else if (await ctx.table('rows').has('end')) break;
              else await new Promise((resolve) => setTimeout(resolve, 5));
            }
            return { parts: next - 1 };
          },
          onSettled: (ctx, { input, text }) => ctx.table('rows').set(input.id, { id: input.id, text: `${text}!` }),
        },
      },
    },
    storage: memoryRelayStorage(),
  });
  const { url } = await relay.listen();
  project.provide('streamUrl', url);
  return () => relay.close();
}
