import { memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, defineEvents } from 'cotable/relay';
import type { TestProject } from 'vitest/node';
import { z } from 'zod';
import { mutators, schema } from './stream-schema.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A relay that says the words of a text in its room, and knows what was said there. */
    eventUrl: string;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const said = new Map<string, string[]>();
  const events = defineEvents({}, (event) => ({
    'chat/say': {
      v1: event({
        input: z.object({ text: z.string() }),
        stream: { kind: 'items', of: z.object({ word: z.string() }) },
        server({ clientInput: { text }, roomCode, user, broadcastStream }) {
          said.set(roomCode, [...(said.get(roomCode) ?? []), text]);
          for (const word of text.split(' ')) broadcastStream({ word });
          return { status: 'success', text, by: user.userId };
        },
      }),
    },
    'chat/said': {
      v1: event({ input: z.null(), server: ({ roomCode }) => ({ status: 'success', texts: said.get(roomCode) ?? [] }) }),
    },
  }));
  const relay = createRelay({
    backend: { schema, mutators, actions: { talk: { run: async () => ({ parts: 0 }) } }, events, rateLimiting: false },
    storage: memoryRelayStorage(),
  });
  const { url } = await relay.listen();
  project.provide('eventUrl', url);
  return () => relay.close();
}
