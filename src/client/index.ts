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
