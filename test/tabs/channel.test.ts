import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { level, turns } from '../spec/support.ts';
import { createAloneScene, createRelayScene } from './scene.ts';
import { createTabNet } from './tab-net.ts';
import { thing, writes } from './watch.ts';

const NONSENSE = [
  undefined,
  null,
  7,
  'text',
  [],
  {},
  new Uint8Array(3),
  { protocol: 0, sender: { from: 1, device: 'x', schemaVersion: 9 }, message: { type: 'left' } },
  { protocol: 2, sender: { from: 1, device: 'x', schemaVersion: 9 }, message: { type: 'ask', of: undefined } },
  { protocol: '1', message: { type: 'ask' } },
];

describe('the channel of tabs', () => {
  test.each([
    ['with a relay', createRelayScene],
    ['alone', createAloneScene],
  ])('[TB24] what others than tabs of this version say on it is ignored (%s)', async (_, create) => {
    const scene = create(writes);
    const isAlone = create === createAloneScene;
    const parts = { userId: 'alice' };
    const one = scene.open('a', parts);
    const channel = scene.tabs.join(isAlone ? 'alice/room/alone' : 'alice/room', () => undefined);
    for (const message of NONSENSE) channel.send(message);
    await one.ready;
    for (const message of NONSENSE) channel.send(message);
    channel.close();
    const two = scene.open('b', parts);
    await (
      await one.mutate.act([['things', 'a', 1]])
    ).confirmed;
    await thing(two, 'a', 1);
    await (
      await two.mutate.act([['things', 'b', 1]])
    ).confirmed;
    await thing(one, 'b', 1);
    expect([one.status.reason, two.status.reason, one.table('things').count()]).toEqual([undefined, undefined, 2]);
  });

  test('[TB25] a store that is closed has left it, whenever that was', async () => {
    const open = new Set<object>();
    const net = createTabNet();
    const tabs = {
      join(name: string, heard: (message: unknown) => void) {
        const channel = net.transport().join(name, heard);
        const token = {};
        open.add(token);
        return {
          send: channel.send,
          close() {
            open.delete(token);
            channel.close();
          },
        };
      },
    };
    const world = createRelayScene(writes);
    const alone = createAloneScene(writes);
    for (const scene of [world, alone]) {
      const early = scene.open('a', { tabs });
      const closing = early.close();
      expect(early.close()).toBe(closing);
      await closing;
      const late = scene.open('b', { tabs });
      await late.synced;
      await late.mutate.act([['things', 'a', 1]]);
      const older = scene.open('c', { tabs });
      await older.ready;
      const newer = scene.open('d', { tabs, schemaVersion: 2 });
      await newer.ready.catch(() => undefined);
      expect(open.size).toBeGreaterThan(0);
      await Promise.all([late.close(), older.close(), newer.close()]);
      await turns(3);
      expect(open.size).toBe(0);
    }
  });

  test('[TB25] an open channel holds no Node process, and a closed store nothing', async () => {
    const script = `import { createStore, defineMutators, defineSchema } from 'cotable';
      import { memoryClientStorage } from 'cotable/adapters/memory';
      import { broadcastChannel } from 'cotable/transports/broadcast-channel';
      import { memoryHub } from 'cotable/transports/memory';
      const schema = defineSchema({ schemaVersion: 1, tables: {}, mutators: {} });
      const open = (transports) => createStore({ schema, mutators: {}, room: 'r', storage: memoryClientStorage(), transports: [...transports, broadcastChannel()] });
      const stores = [open([]), open([]), open([memoryHub().transport()])];
      await Promise.all(stores.map((store) => store.ready));
      await Promise.all(stores.slice(1).map((store) => store.close()));
      console.log('end');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 });
    expect(stdout).toBe('end\n');
  });

  test('[TB26] a store without it works as ever beside one that has it', async () => {
    const world = createRelayScene(writes);
    const silent = { join: () => ({ send: () => undefined, close: () => undefined }) };
    const [one, two] = [world.openOffline('a'), world.openOffline('b', { tabs: silent })];
    await Promise.all([one.ready, two.ready]);
    await (
      await one.mutate.act([['things', 'a', 1]])
    ).stored;
    await (
      await two.mutate.act([['things', 'b', 2]])
    ).stored;
    world.comeBack('a', 'b');
    await level(one, two);
    await vi.waitFor(() => {
      for (const store of [one, two]) expect(store.table('things').list()).toEqual([{ value: 1 }, { value: 2 }]);
    });
    expect((await world.storage.entries('room', 0, 10)).length).toBe(2);
  });
});
