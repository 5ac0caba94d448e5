import { memoryHub } from 'cotable/transports/memory';
import type { TransportSetup } from './transport.suite.ts';

/** A hub of its own for one test. */
export function memoryHubSetup(): TransportSetup {
  const hub = memoryHub();
  return {
    transport: hub.transport('alice'),
    acceptor: hub.acceptor(),
    unreachable: memoryHub().transport(),
    sever: () => hub.cut(),
    close: () => hub.cut(),
  };
}
