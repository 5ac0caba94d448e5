import { memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { relayStorageSuite } from './relay-storage.suite.ts';

relayStorageSuite('memory', () => {
  const disk = memoryRelayDisk();
  return { open: async () => memoryRelayStorage(disk), cleanup: async () => undefined };
});
