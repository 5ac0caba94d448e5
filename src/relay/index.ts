export { createRelay } from './create-relay.ts';
export type { Relay, RelayOptions } from './create-relay.ts';
export { defineBackendConfig } from './backend.ts';
export type {
  ActionContext,
  ActionFunction,
  ActionPolicy,
  Actions,
  ActionTableReader,
  BackendConfig,
  CellOf,
  NoPlatform,
  SettledRun,
} from './backend.ts';
export type { Emitters } from './emitters.ts';
export type { Handshake, Hooks, Identity, RoomRights } from './guard.ts';
export { createStreamThrottle } from './stream-throttle.ts';
export type { StreamThrottle, StreamThrottleOptions } from './stream-throttle.ts';
export { definePlatform } from './platform.ts';
export type { Platform, PlatformCall, PlatformCaller } from './platform.ts';
export type { Compaction, LimitOptions, Limits } from './limits.ts';
export type { Logger } from '../ports/logger.ts';
export type { StreamPart, StreamStorage } from '../ports/stream-storage.ts';
export type {
  Acceptance,
  LogEntry,
  MutationKey,
  NewRoom,
  Outcome,
  QueuedRun,
  Refusal,
  RunEnding,
  RelayStorage,
  RoomBirth,
  Snapshot,
  StoredRoom,
  StoredRun,
  WriterState,
} from '../ports/relay-storage.ts';
