export { StoreProvider, useStore } from './store-provider.ts';
export { SyncProvider, useSyncEvents } from './sync-provider.ts';
export { useQuery } from './use-query.ts';
export { useRun } from './use-run.ts';
export type { RunNow } from './use-run.ts';
export { useStatus } from './use-status.ts';
export { useStream } from './use-stream.ts';
export type { StreamNow } from './use-stream.ts';
