export { StoreProvider, useStore } from './store-provider.ts';
export { useQuery } from './use-query.ts';
export { useStatus } from './use-status.ts';
