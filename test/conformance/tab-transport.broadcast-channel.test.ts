import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { expect, test, vi } from 'vitest';
import { tabTransportSuite } from './tab-transport.suite.ts';

tabTransportSuite('broadcast channel', () => [broadcastChannel(), broadcastChannel()]);

test('[BC1] channels are named prefix/name; the prefix is `cotable` when none is given', () => {
  const names: string[] = [];
  vi.stubGlobal(
    'BroadcastChannel',
    class {
      constructor(name: string) {
        names.push(name);
      }
      addEventListener(): void {}
      close(): void {}
    },
  );
  broadcastChannel().join('ann/room', () => undefined);
  broadcastChannel({ prefix: 'mine' }).join('ann/room', () => undefined);
  vi.unstubAllGlobals();
  expect(names).toEqual(['cotable/ann/room', 'mine/ann/room']);
});

test('[BC2] without a BroadcastChannel the first use is a TypeError', () => {
  vi.stubGlobal('BroadcastChannel', undefined);
  const transport = broadcastChannel();
  expect(() => transport.join('room', () => undefined)).toThrow(TypeError);
  vi.unstubAllGlobals();
});

test('[BC3] an open channel does not hold a Node process', async () => {
  const script = `import { broadcastChannel } from 'cotable/transports/broadcast-channel';
    const channel = broadcastChannel().join('held', () => undefined);
    channel.send('anybody?');
    console.log('end');`;
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 });
  expect((await run).stdout).toBe('end\n');
});
