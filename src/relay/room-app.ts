import type { AnyAccess } from '../access/access.ts';
import type { MutatorFunctions } from '../mutation/run.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { Policies } from './runs/policy.ts';

/** What is in a room, who may change it, and what is run there. Most rooms are of the backend's own app; a session of a flow is of another. */
export interface RoomApp {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly access: AnyAccess | undefined;
  readonly actions: Policies;
}

/** Of which app a room is: told by its name alone. */
export type AppOf = (room: string) => RoomApp;
