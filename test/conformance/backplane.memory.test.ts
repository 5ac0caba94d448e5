import { memoryBackplane } from 'cotable/adapters/memory';
import { backplaneSuite } from './backplane.suite.ts';

backplaneSuite('memory', () => {
  const backplane = memoryBackplane();
  return [backplane, backplane];
});
