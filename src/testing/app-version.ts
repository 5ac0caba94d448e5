import type { AnyAccess } from '../access/access.ts';
import { checkMutators, type MutatorFunctions } from '../mutation/run.ts';
import { hooksOf, type BackendConfig, type NoPlatform } from '../relay/backend.ts';
import type { AnyHooks } from '../relay/guard.ts';
import type { Platform } from '../relay/platform.ts';
import { policiesOf, type Policies } from '../relay/runs/policy.ts';
import type { AnySchema } from '../schema/schema.ts';

/** What pages and relay of one version of an app are made of. Types were checked where the backend was given. */
export interface AppVersion {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly access: AnyAccess | undefined;
  readonly actions: Policies;
  readonly platform: Platform;
  readonly hooks: AnyHooks;
}

/** Throws `schema.invalid` when a mutator is missing or a policy cannot be. */
export function appVersion<S extends AnySchema, P extends Platform = NoPlatform>(backend: BackendConfig<S, P>): AppVersion {
  const mutators: MutatorFunctions = backend.mutators;
  checkMutators(backend.schema, mutators);
  const access = backend.access as AnyAccess | undefined;
  const platform = backend.platform ?? {};
  return { schema: backend.schema, mutators, access, actions: policiesOf(backend), platform, hooks: hooksOf(backend) };
}
