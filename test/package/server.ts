// What a server imports.
import { chatCompletions } from 'cotable/adapters/platform';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, defineBackendConfig, definePlatform } from 'cotable/relay';
import { events } from './events.ts';
import { mutators } from './mutators.ts';
import { schema } from './schema.ts';

export const platform = definePlatform({
  ai: chatCompletions({ url: 'http://localhost/v1', key: process.env['MODEL_KEY'], model: 'tiny' }),
});
export const backend = defineBackendConfig<typeof schema, typeof platform>({ schema, mutators, platform, events });
export const relay = createRelay({ backend, storage: sqlite('./data.db') });
export const address: Promise<{ readonly url: string; readonly port: number }> = relay.listen(8080);
