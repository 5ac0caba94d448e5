import { defineBackendConfig, type BackendConfig } from 'cotable/relay';
import { mutators } from './mutators.ts';
import { schema } from './schema.ts';

export const backend: BackendConfig<typeof schema> = defineBackendConfig({ schema, mutators });
