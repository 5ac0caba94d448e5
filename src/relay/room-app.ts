import type { AnyAccess } from '../access/access.ts';
import type { MutatorFunctions } from '../mutation/run.ts';
import type { ActionShapes, AnySchema } from '../schema/schema.ts';
import type { Policies } from './runs/policy.ts';

/** What is in a room, who may change it, and what is run there. Most rooms are of the backend's own app; a session of a flow is of another. */
export interface RoomApp {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly access: AnyAccess | undefined;
  readonly actions: Policies;
  /** What those take and give that the schema does not declare: doors ask for them, and nobody else can. */
  readonly ofDoors?: ActionShapes;
}

/** Whether an action may be asked for by stores and other actions, by its name alone: what only doors ask for is named otherwise. */
export function isDeclarable(action: string): boolean {
  return /^\w+$/.test(action);
}

/** What an action of an app takes and gives, whoever asks for it. */
export function shapeOf({ schema, ofDoors = {} }: Pick<RoomApp, 'schema' | 'ofDoors'>, action: string): ActionShapes[string] | undefined {
  const shapes = isDeclarable(action) ? schema.actions : ofDoors;
  return Object.hasOwn(shapes, action) ? shapes[action] : undefined;
}

/** Of which app a room is: told by its name alone. */
export type AppOf = (room: string) => RoomApp;
