import { memoryHubSetup } from '../conformance/memory-hub-setup.ts';
import { transportSuite } from '../conformance/transport.suite.ts';

transportSuite('memory, in a page', memoryHubSetup);
