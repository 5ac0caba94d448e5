import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { tabTransportSuite } from '../conformance/tab-transport.suite.ts';

tabTransportSuite('broadcast channel, in a page', () => [broadcastChannel(), broadcastChannel()]);
