export { createSyncClient } from './create-sync-client.ts';
export type {
  AnySyncClient,
  EventName,
  EventVersion,
  OfflineQueueOptions,
  SyncClient,
  SyncClientOptions,
  SyncDelivery,
  SyncEvent,
  SyncPiece,
  SyncRequestOf,
  SyncRequestOptions,
  SyncRoomStatus,
  SyncStatus,
} from './sync-types.ts';
export type { EventContract, Events, EventTypes, SyncFailure, SyncResponse, SyncSuccess } from '../schema/events.ts';
export type { RelayConnection, Transport } from '../ports/transport.ts';
export { createClient } from './create-client.ts';
export type { ClientOptions, FlowClient, SendOptions } from './create-client.ts';
export type { FlowRun } from './flow-run.ts';
export type { FlowSession, SessionState } from './flow-session.ts';
export { createTypedClient } from './typed-client.ts';
export type { TypedClient } from './typed-client.ts';
export type { FlowEvent, FlowItem, FlowRequest, FlowRole, FlowStatus } from '../flows/events.ts';
export type { AnyFlow, FlowActionName, FlowInputOf, FlowResultOf } from '../flows/flow.ts';
export type { FlowRow } from '../flows/session.ts';
