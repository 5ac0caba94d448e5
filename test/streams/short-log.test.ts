import type { Store } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RelayStorage } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import { createStore } from 'cotable';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gate, mutators, schema, type S } from './scene.ts';

interface Said {
  readonly calls: readonly number[];
  readonly ann: Store<S>;
  readonly disk: ReturnType<typeof memoryRelayDisk>;
}

/** Many runs that each say a hundred pieces and wait for `end`; the sizes of the calls that keep them. */
async function manyRuns(count: number, end: Promise<void>, fails: (call: number) => boolean = () => false): Promise<Said> {
  const disk = memoryRelayDisk();
  const real = memoryRelayStorage(disk);
  const calls: number[] = [];
  const storage: RelayStorage = {
    ...real,
    async keepStreams(parts) {
      calls.push(parts.length);
      if (fails(calls.length)) throw new Error('the disk is away');
      await real.keepStreams(parts);
    },
  };
  const hub = memoryHub();
  const none = async (): Promise<Record<string, never>> => ({});
  const relay = createRelay({
    backend: {
      schema,
      mutators,
      actions: {
        work: none,
        meter: none,
        mute: none,
        async talk(ctx) {
          for (let piece = 0; piece < 100; piece++) {
            ctx.broadcastStream(`${piece} `);
            await new Promise((resolve) => setImmediate(resolve));
          }
          await end;
          return {};
        },
      },
    },
    storage,
    limits: { runsPerUser: 64 },
    acceptors: [hub.acceptor()],
  });
  onTestFinished(() => relay.close({ graceMs: 0 }));
  const ann = createStore({ schema, mutators, room: 'room', storage: memoryClientStorage(), transports: [hub.transport()], userId: 'ann' });
  onTestFinished(() => ann.close());
  await ann.synced;
  for (let run = 0; run < count; run++) ann.action.talk({ id: String(run) });
  return { calls, ann, disk };
}

const TEXT = Array.from({ length: 100 }, (_, piece) => `${piece} `).join('');

/** What is kept of each stream, put together by nothing of the product. */
function kept(disk: ReturnType<typeof memoryRelayDisk>): string[] {
  return [...(disk.rooms.get('room')?.streams.values() ?? [])].map((parts) =>
    [...parts.values()]
      .map(({ bytes }) => {
        const text = new TextDecoder().decode(bytes);
        const { said } = JSON.parse(text.slice(text.indexOf(' '))) as { said: { content: string }[] };
        return said.map(({ content }) => content).join('');
      })
      .join(''),
  );
}

describe('the short log', () => {
  it('[SR15] keeps what is new of all open streams in one call, now and then, and nothing once the runs have ended', async () => {
    const end = gate();
    const { calls, disk } = await manyRuns(20, end.passed);
    await expect.poll(() => kept(disk)).toEqual(Array.from({ length: 20 }, () => TEXT));
    // 2,000 pieces.
    expect(calls.length).toBeLessThan(50);
    expect(Math.max(...calls)).toBe(20);
    end.open();
    await expect.poll(() => kept(disk)).toEqual([]);
  });

  it('[SR15] makes a call that failed again: nothing is missing or twice', async () => {
    const end = gate();
    const { calls, disk } = await manyRuns(3, end.passed, (call) => call <= 2);
    await expect.poll(() => kept(disk), { timeout: 5_000 }).toEqual(Array.from({ length: 3 }, () => TEXT));
    expect(calls.length).toBeGreaterThan(2);
    end.open();
    await expect.poll(() => kept(disk)).toEqual([]);
  });

  it('[SR16] shows what is whole before a part that the disk has changed', async () => {
    const [first, second] = [gate(), gate()];
    const disk = memoryRelayDisk();
    const hub = memoryHub();
    const none = async (): Promise<Record<string, never>> => ({});
    const previous: unknown[] = [];
    const start = () =>
      createRelay({
        backend: {
          schema,
          mutators,
          actions: {
            work: none,
            meter: none,
            mute: none,
            async talk(ctx) {
              previous.push(ctx.previous);
              if (ctx.attempt > 1) return {};
              ctx.broadcastStream('whole');
              await first.passed;
              ctx.broadcastStream(' and more');
              await second.passed;
              await new Promise(() => undefined);
              return {};
            },
          },
        },
        storage: memoryRelayStorage(disk),
        acceptors: [hub.acceptor()],
      });
    let relay = start();
    const ann = createStore({
      schema,
      mutators,
      room: 'room',
      storage: memoryClientStorage(),
      transports: [hub.transport()],
      userId: 'ann',
    });
    onTestFinished(async () => {
      await ann.close();
      await relay.close({ graceMs: 0 });
    });
    await ann.synced;
    const asked = ann.action.talk({ id: 'a' });
    await expect.poll(() => kept(disk)).toEqual(['whole']);
    first.open();
    await expect.poll(() => kept(disk)).toEqual(['whole and more']);
    await relay.close({ graceMs: 0 });
    const parts = [...(disk.rooms.get('room')?.streams.values() ?? [])][0];
    const bytes = parts?.get(2)?.bytes;
    if (bytes) bytes[bytes.length - 4] = 'x'.charCodeAt(0);
    relay = start();
    await asked;
    expect(previous).toEqual([undefined, { attempt: 1, state: 'whole' }]);
  });
});
