export { createRelay } from './create-relay.ts';
export type { Relay, RelayOptions } from './create-relay.ts';
export type { ActionTableReader } from './action-table.ts';
export { defineBackendConfig } from './backend.ts';
export type { ActionContext, ActionFunction, ActionPolicy, Actions, BackendConfig, CellOf, NoPlatform, SettledRun } from './backend.ts';
export type { Emitters } from './emitters.ts';
export { defineEvents } from './events/define-events.ts';
export type {
  DefinedEvents,
  EventAuth,
  EventBuilder,
  EventDefinition,
  EventDefinitions,
  EventFailure,
  EventOptions,
  EventResult,
  NoFunctions,
  NoSchema,
  RecipientContext,
  ServerContext,
  SessionFunctions,
} from './events/define-events.ts';
export type { Messages } from './events/messages.ts';
export type { RateLimiting, RoomEventOptions } from './events/options.ts';
export type { EventContract, Events, EventTypes, SyncFailure, SyncResponse, SyncSuccess } from '../schema/events.ts';
export type { ConcurrencyPolicy, CronPolicy, RetryPolicy } from './run-policy.ts';
export { defineFlow } from './flows/define-flow.ts';
export type { AnyFlowAction, EndedRequest, Flow, FlowAction, FlowHooks, ServedFlow } from './flows/define-flow.ts';
export type { Block, FlowContext, ItemWriter } from './flows/flow-context.ts';
export { pipeline } from './flows/pipeline.ts';
export type { FlowEvent, FlowItem, FlowRequest, FlowRole, FlowStatus } from '../flows/events.ts';
export type { FlowRow } from '../flows/session.ts';
export type { Handshake, Hooks, Identity, RoomRights } from './guard.ts';
export { createStreamThrottle } from './stream-throttle.ts';
export type { StreamThrottle, StreamThrottleOptions } from './stream-throttle.ts';
export { definePlatform } from './platform.ts';
export type { Platform, PlatformCall, PlatformCaller } from './platform.ts';
export type { Compaction, LimitOptions, Limits } from './limits.ts';
export type { Backplane } from '../ports/backplane.ts';
export type { Logger } from '../ports/logger.ts';
export type { Refusal } from '../ports/refusal.ts';
export type { StreamPart, StreamStorage } from '../ports/stream-storage.ts';
export type {
  Acceptance,
  LogEntry,
  MutationKey,
  NewRoom,
  Outcome,
  RelayStorage,
  RoomBirth,
  Snapshot,
  StoredRoom,
  WriterState,
} from '../ports/relay-storage.ts';
export type {
  AttemptName,
  Claim,
  ClaimTerms,
  DueRun,
  QueuedRun,
  RunCancel,
  RunEnding,
  RunFilter,
  RunName,
  RunRequest,
  RunStorage,
  StoredRun,
  StoredRunStatus,
} from '../ports/run-storage.ts';
export type { Run, RunAdmin } from './runs/admin.ts';
