export { defineAccess } from './access/access.ts';
export type { Access, AccessContext, RowRules } from './access/access.ts';
export { CotableError, isCotableError, reject } from './errors.ts';
export type { AnyCotableError, ErrorBody, ErrorCode, ErrorParams, Issue } from './errors.ts';
export type {
  ClientDatabase,
  ClientStorage,
  DatabaseWatch,
  Durability,
  StorageBatch,
  StorageKey,
  StorageValue,
} from './ports/client-storage.ts';
export type { TabChannel, TabTransport } from './ports/tabs.ts';
export type { Acceptor, Link, LinkEvents, LinkOrigin, RelayConnection, Transport } from './ports/transport.ts';
export { defineMutators } from './schema/mutators.ts';
export type { MutatorContext, Mutators, TableReader, TableWriter } from './schema/mutators.ts';
export { defineSchema } from './schema/schema.ts';
export type {
  ActionName,
  ActionShape,
  AnySchema,
  InOf,
  ItemsStream,
  MutatorName,
  NoSession,
  OutOf,
  PieceOf,
  ResultInOf,
  ResultOf,
  RowInputOf,
  RowOf,
  Schema,
  SessionFieldsOf,
  SessionOf,
  Shape,
  StreamDefinition,
  StreamPieceOf,
  StreamStateOf,
  TableName,
  TableShape,
  TextStream,
  ValueStream,
} from './schema/schema.ts';
export { table } from './schema/table.ts';
export type { TableSchema } from './schema/table.ts';
export type { InputOf, OutputOf, Validator } from './schema/validator.ts';
export { createStore } from './store/create-store.ts';
export type { StoreOptions } from './store/create-store.ts';
export type {
  Change,
  LiveQuery,
  MutationReceipt,
  OutboxItem,
  Rejection,
  CallOptions,
  RunHandle,
  RunHandleOf,
  RunItem,
  RunStatus,
  Store,
  StoreState,
  StoreStatus,
  StreamView,
  TableView,
} from './store/types.ts';
export type { JsonObject, JsonPath, JsonValue } from './util/json.ts';
