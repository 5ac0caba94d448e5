import { expect, it, onTestFinished, vi } from 'vitest';
import { wire } from '../runs/wire.ts';
import { gate, scene } from './scene.ts';

/** Real turns of the event loop, while timers stand still. */
async function turns(count = 50): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

it('[SR20] while a viewer does not keep up, the others get what is new every 200 ms', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let say: ((piece: string) => void) | undefined;
  const end = gate();
  const all = scene(
    {
      async talk(ctx) {
        say = ctx.broadcastStream;
        await end.passed;
        return {};
      },
    },
    { limits: { ephemeralBytes: 10 } },
  );
  const [ann, ben] = [all.open('ann'), all.open('ben')];
  await Promise.all([ann.synced, ben.synced]);
  const view = ann.stream('talk', ann.action.talk({ id: 'a' }).id);
  await vi.waitFor(() => expect(say).toBeDefined(), { interval: 1 });
  const after = async (ms: number): Promise<string> => {
    vi.advanceTimersByTime(ms);
    await turns();
    return view.state;
  };
  // Nothing else is on its way.
  await turns();
  say?.('one');
  expect(await after(0)).toBe('one');
  say?.(' two');
  expect(await after(49)).toBe('one');
  expect(await after(1)).toBe('one two');
  expect(await after(50)).toBe('one two');
  all.hub.hold('ben');
  say?.(' three');
  expect(await after(0)).toBe('one two three');
  // This goes 50 ms later still, and it is then that somebody is found to be behind.
  say?.(' four');
  expect(await after(50)).toBe('one two three four');
  say?.(' five');
  expect(await after(199)).toBe('one two three four');
  expect(await after(1)).toBe('one two three four five');
  all.hub.release('ben');
  await after(200);
  say?.(' six');
  await after(0);
  say?.(' seven');
  expect(await after(50)).toBe('one two three four five six seven');
  end.open();
  await turns();
});

it('[SR18] one that takes nothing is closed after 30 seconds', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let say: ((piece: string) => void) | undefined;
  const end = gate();
  const all = scene({
    async talk(ctx) {
      say = ctx.broadcastStream;
      await end.passed;
      return {};
    },
  });
  const ann = all.open('ann');
  await ann.synced;
  ann.action.talk({ id: 'a' });
  await vi.waitFor(() => expect(say).toBeDefined(), { interval: 1 });
  const [ben, cyd] = [wire(all.hub, 'ben'), wire(all.hub, 'cyd')];
  await turns();
  all.hub.hold('ben');
  all.hub.hold('cyd');
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 10) {
      vi.advanceTimersByTime(10);
      await turns(2);
    }
  };
  // The last of these finds more than 256 KiB waiting.
  for (let piece = 0; piece < 8; piece++) {
    say?.('x'.repeat(40_000));
    await pass(200);
  }
  // That was at the last piece, 200 ms ago.
  await pass(29_800 - 200);
  all.hub.release('ben');
  await pass(400);
  all.hub.release('cyd');
  await turns();
  expect([ben.closed(), cyd.closed()]).toEqual([undefined, 'stream.slowViewer']);
  end.open();
  await turns();
});
