import { createStore, defineMutators } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, defineBackendConfig, type ActionContext, type Platform } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { schema, type S } from './scene.ts';

const mutators = defineMutators<S>({ say: () => undefined, note: () => undefined, quote: () => undefined });

/** Runs code as an action of Ann's and gives what it returned, through JSON. */
export async function inAnAction<P extends Platform>(
  platform: P,
  code: (ctx: ActionContext<S, string, P>) => Promise<unknown>,
): Promise<unknown> {
  const backend = defineBackendConfig<S, P>({
    schema,
    mutators,
    platform,
    actions: { answer: async (ctx) => ({ text: JSON.stringify(await code(ctx)) }), silent: async () => ({ ok: true }) },
  });
  const hub = memoryHub();
  const relay = createRelay({ backend, storage: memoryRelayStorage(), acceptors: [hub.acceptor()] });
  const store = createStore({
    schema,
    mutators,
    room: 'room',
    storage: memoryClientStorage(),
    transports: [hub.transport()],
    userId: 'ann',
  });
  onTestFinished(async () => {
    await store.close();
    await relay.close();
  });
  return JSON.parse((await store.action.answer({ id: '', to: '' })).text) as unknown;
}
