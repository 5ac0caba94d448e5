export { createRelay } from './create-relay.ts';
export type { Relay, RelayOptions } from './create-relay.ts';
export { defineBackendConfig } from './backend.ts';
export type { ActionContext, ActionResult, Actions, ActionTableReader, BackendConfig } from './backend.ts';
export type { Limits } from './limits.ts';
export type { Logger } from '../ports/logger.ts';
export type {
  Acceptance,
  LogEntry,
  MutationKey,
  Outcome,
  QueuedRun,
  Refusal,
  RelayStorage,
  RoomBirth,
  Snapshot,
  StoredRoom,
  WriterState,
} from '../ports/relay-storage.ts';
