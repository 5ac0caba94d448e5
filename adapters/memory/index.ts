export { memoryBackplane } from './backplane.ts';
export { memoryClientStorage } from './client-storage.ts';
export { memoryRelayDisk, memoryRelayStorage } from './relay-storage.ts';
