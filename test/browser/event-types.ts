import type { Events, EventTypes } from 'cotable/client';

/** What the relay of `event-relay.setup.ts` knows. */
export type ChatEvents = Events<{
  'chat/say': { v1: EventTypes<{ text: string }, { text: string; by: string }, Readonly<Record<never, never>>, { word: string }, never> };
  'chat/said': { v1: EventTypes<null, { texts: readonly string[] }, Readonly<Record<never, never>>, never, never> };
}>;
