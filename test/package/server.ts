// What a server imports.
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, defineBackendConfig } from 'cotable/relay';
import { mutators } from './mutators.ts';
import { schema } from './schema.ts';

export const backend = defineBackendConfig<typeof schema>({ schema, mutators });
export const relay = createRelay({ backend, storage: sqlite('./data.db') });
export const address: Promise<{ readonly url: string; readonly port: number }> = relay.listen(8080);
