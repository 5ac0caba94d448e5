import { createStore, type Store } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay } from 'cotable/relay';
import { memoryHub } from 'cotable/transports/memory';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { answers, mutators, schema, type S } from '../runs/scene.ts';

/** Pieces of any text, cut anywhere, and what happens to viewers between them. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ piece: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }), slow: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      viewer: fc.constantFrom('ann', 'ben'),
      does: fc.constantFrom('cut' as const, 'hold' as const, 'release' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ viewer: fc.constantFrom('ann', 'ben'), does: fc.constantFrom('off' as const, 'on' as const) }) },
  { weight: 1, arbitrary: fc.constant({ join: true as const }) },
  { weight: 2, arbitrary: fc.constant({ turns: 5 as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The relay lets some time pass between two sendings of a stream. */
async function pass(): Promise<void> {
  vi.advanceTimersByTime(50);
  await turns(2);
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

async function run(steps: readonly Step[]): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const hub = memoryHub();
  // Recorded outside of the streams: what the producer has said so far, half pairs included.
  let said = '';
  let emit: ((piece: string) => void) | undefined;
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const relay = createRelay({
    backend: {
      schema,
      mutators,
      actions: {
        answer: {
          cell: ({ id }) => ({ table: 'messages', key: id, field: 'text' }),
          async run(ctx) {
            emit = ctx.broadcastStream;
            await finished;
            return { text: said };
          },
          onSettled: (ctx, { input, text }) => ctx.table('messages').update(input.id, { text, done: true }),
        },
        silent: async () => ({ ok: true }),
      },
    },
    storage: memoryRelayStorage(),
    acceptors: [hub.acceptor()],
  });
  const stores: Store<S>[] = [];
  const watch = (userId: string): Store<S> => {
    const store = createStore({
      schema,
      mutators,
      room: 'room',
      storage: memoryClientStorage(),
      transports: [hub.transport(userId)],
      userId,
    });
    stores.push(store);
    let longest = 0;
    store.table('messages').rows$.subscribe(() => {
      const text = answers(store)[0]?.text ?? '';
      if (!said.startsWith(text)) problems.push(`${userId} shows ${JSON.stringify(text)} of ${JSON.stringify(said)}`);
      if (text.length < longest) problems.push(`${userId} went back from ${longest} to ${text.length}`);
      longest = text.length;
    });
    return store;
  };
  const problems: string[] = [];
  try {
    const [ann] = [watch('ann'), watch('ben')];
    await ann.mutate.say({ id: 'q', text: '@bot go' });
    await vi.waitFor(() => expect(emit).toBeDefined(), { interval: 1 });
    for (const what of steps) {
      if ('piece' in what) {
        // Cut within surrogate pairs too.
        for (const half of [what.piece.slice(0, 1), what.piece.slice(1)]) {
          said += half;
          emit?.(half);
          if (what.slow) await pass();
        }
      } else if ('join' in what) watch(`late-${stores.length}`);
      else if ('turns' in what) await turns(what.turns);
      else if (what.does === 'cut') hub.cut(what.viewer);
      else if (what.does === 'hold') hub.hold(what.viewer);
      else if (what.does === 'release') hub.release(what.viewer);
      else hub.setAvailable(what.viewer, what.does === 'on');
    }
    finish();
    hub.cut();
    for (const viewer of ['ann', 'ben']) {
      hub.release(viewer);
      hub.setAvailable(viewer, false);
      hub.setAvailable(viewer, true);
    }
    await vi.waitFor(() => expect(stores.map(answers)).toEqual(stores.map(() => [{ text: said, done: true }])), {
      timeout: 5_000,
      interval: 2,
    });
    expect(problems).toEqual([]);
  } finally {
    finish();
    await Promise.all(stores.map((store) => store.close()));
    await relay.close({ graceMs: 0 });
    vi.useRealTimers();
  }
}

describe('streams', () => {
  it('[PC2] for every cut and join, what a viewer shows is a prefix of what was said, never shorter than before, and ends equal to the row', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 40 }), run), {
      numRuns: Number(process.env['COTABLE_RUNS'] ?? 100),
      interruptAfterTimeLimit: 60_000,
      markInterruptAsFailure: false,
    });
  }, 120_000);
});
