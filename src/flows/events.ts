import type { ErrorBody } from '../errors.ts';
import type { JsonValue } from '../util/json.ts';

/** Who says an item of a conversation. */
export type FlowRole = 'user' | 'assistant' | 'system' | 'tool';

/** What a conversation is made of: a message, mostly. Rows of the table `items`, and what events carry. */
export type FlowItem = {
  /** Unique in its session, and the same in every attempt of the request. */
  readonly id: string;
  readonly requestId: string;
  readonly role: FlowRole;
  readonly text: string;
  /** `incomplete`: its request ended before it was done. */
  readonly status: 'in_progress' | 'done' | 'incomplete';
  /** What is in it besides text: whatever the flow puts there. */
  readonly parts?: readonly JsonValue[];
};

/** One call of an action of a flow. */
export interface FlowRequest {
  readonly id: string;
  readonly flowKind: string;
  readonly actionName: string;
  readonly sessionId: string;
}

/**
 * What is said of a request while it is worked on. Items and content are told by item and by offset (in UTF-16 code units):
 * whoever puts a whole item in the place of what it has of that id, cuts what it knows off a delta, and forgets what it has of a
 * request with `request.in_progress`, is right after every loss. `item.updated` is an item that its request left open when it ended.
 */
export type FlowPiece =
  | { readonly type: 'request.in_progress'; readonly request: FlowRequest }
  | { readonly type: 'item.added' | 'item.updated' | 'item.done'; readonly item: FlowItem }
  | { readonly type: 'content.added' | 'content.done'; readonly itemId: string }
  | { readonly type: 'content.delta'; readonly itemId: string; readonly offset: number; readonly delta: string };

/** What becomes of a request around that: it is kept, and has ended. */
export type FlowMilestone<Out = unknown> =
  | { readonly type: 'request.created' | 'request.aborted'; readonly request: FlowRequest }
  | { readonly type: 'request.completed'; readonly request: FlowRequest; readonly result: Out }
  | { readonly type: 'request.failed'; readonly request: FlowRequest; readonly error: ErrorBody };

/** An event of a request. `id`: show it to go on behind it. The last one is `request.completed`, `.failed` or `.aborted`. */
export type FlowEvent<Out = unknown> = { readonly id: string } & (FlowPiece | FlowMilestone<Out>);

/** How a request stands. */
export type FlowStatus = 'in_progress' | 'completed' | 'failed' | 'aborted';

/** Whether nothing comes after an event. */
export function isLastEvent<Out>(
  event: FlowEvent<Out>,
): event is Extract<FlowEvent<Out>, { readonly type: 'request.completed' | 'request.failed' | 'request.aborted' }> {
  return /^request\.(completed|failed|aborted)$/.test(event.type);
}
