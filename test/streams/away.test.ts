import { CotableError, type Store } from 'cotable';
import { filter, firstValueFrom } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { stopTime } from '../runs/engine.ts';
import { gate, scene, type S } from './scene.ts';

/** All texts that the row shows from now on, in turn. */
function textsOf(store: Store<S>): string[] {
  const texts: string[] = [];
  store.table('rows').changes$.subscribe((changes) => texts.push(...changes.map(({ after }) => after?.text ?? '')));
  return texts;
}

const isIn = (store: Store<S>, state: string): Promise<unknown> => firstValueFrom(store.status$.pipe(filter((now) => now.state === state)));

describe('a viewer that was away', () => {
  it('[SR50] swaps from what it shows to the row in one step, when nobody remembers the stream any more', async () => {
    const { pass } = stopTime();
    const end = gate();
    const all = scene(
      {
        async talk({ broadcastStream }) {
          broadcastStream('half');
          await end.passed;
          broadcastStream(' and half');
          return {};
        },
      },
      { cell: true },
    );
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await pass(100);
    await ann.mutate.go({ id: 'a' });
    await pass(1_000);
    expect(ben.table('rows').get('a')?.text).toBe('half');
    all.hub.hold('ben');
    end.open();
    await pass(90_000);
    expect(ann.table('rows').get('a')?.text).toBe('half and half (succeeded)');
    const texts = textsOf(ben);
    all.hub.cut('ben');
    all.hub.release('ben');
    await pass(60_000);
    expect(texts).toEqual(['half and half (succeeded)']);
  });

  it('[SR51] swaps in one step too when the stream ends while it is being told what it lacks', async () => {
    const [end, more] = [gate(), gate()];
    const reading = vi.fn();
    let isHeld = false;
    const all = scene(
      {
        async talk({ broadcastStream }) {
          broadcastStream('half');
          await end.passed;
          return {};
        },
      },
      {
        cell: true,
        disk: (storage) => ({
          async entries(...asked) {
            const page = await storage.entries(...asked);
            if (!isHeld) return page;
            reading();
            await more.passed;
            return storage.entries(...asked);
          },
        }),
      },
    );
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await Promise.all([ann.synced, ben.synced]);
    await ann.mutate.go({ id: 'a' });
    await expect.poll(() => ben.table('rows').get('a')?.text).toBe('half');
    all.hub.setAvailable('ben', false);
    all.hub.cut('ben');
    await isIn(ben, 'offline');
    await (
      await ann.mutate.put({ id: 'b', text: '' })
    ).confirmed;
    isHeld = true;
    const texts = textsOf(ben);
    all.hub.setAvailable('ben', true);
    await vi.waitFor(() => expect(reading).toHaveBeenCalled(), 40_000);
    end.open();
    await expect.poll(() => ann.table('rows').get('a')?.text).toBe('half (succeeded)');
    isHeld = false;
    more.open();
    await isIn(ben, 'online');
    await expect.poll(() => ben.table('rows').get('a')?.text).toBe('half (succeeded)');
    expect(texts.filter((text) => text !== '')).toEqual(['half (succeeded)']);
    await ben.stream('talk', ann.runs[0]?.id ?? '').ended;
  }, 60_000);
});

describe('a viewer that has heard of a later attempt', () => {
  it('[SR53] is not shown what an earlier one had said, though that alone outlived a crash', async () => {
    const { pass } = stopTime();
    const all = scene(
      {
        async talk({ broadcastStream, attempt }) {
          if (attempt < 3) {
            if (attempt === 1) broadcastStream('one');
            await new Promise((resolve) => setTimeout(resolve, 1_000));
            throw Object.assign(new Error('not yet'), { retryAfterMs: attempt * 5_000 });
          }
          broadcastStream('three');
          return {};
        },
      },
      { cell: true },
    );
    const ann = all.open('ann');
    await pass(100);
    const texts = textsOf(ann);
    await ann.mutate.go({ id: 'a' });
    await pass(7_500);
    expect(texts).toEqual(['', 'one', '']);
    const restarted = all.restart();
    await pass(100);
    await restarted;
    await pass(4_000);
    expect(ann.status.state).toBe('online');
    expect(ann.runs).toMatchObject([{ status: 'waiting' }]);
    await pass(20_000);
    expect(texts).toEqual(['', 'one', '', 'three', 'three (succeeded)']);
  });
});

describe('a viewer of an attempt of which nothing outlived a crash', () => {
  it('[SR54] does not take what it had said for the whole, when the last attempt says nothing while the viewer is away', async () => {
    const { pass } = stopTime();
    const runs = {
      async talk({ broadcastStream, attempt }: { broadcastStream(text: string): void; attempt: number }) {
        if (attempt > 1) return {};
        broadcastStream('one');
        throw Object.assign(new Error('not yet'), { retryAfterMs: 20_000 });
      },
    };
    const all = scene(runs, { disk: () => ({ keptStreams: async () => [] }) });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await pass(100);
    await ann.mutate.go({ id: 'a' });
    await pass(100);
    const view = ben.stream('talk', ben.table('rows').get('a')?.run ?? '');
    const pieces = view[Symbol.asyncIterator]();
    const texts: string[] = [];
    view.state$.subscribe((text) => texts.push(text));
    expect(await pieces.next()).toEqual({ done: false, value: 'one' });
    const restarted = all.restart();
    await pass(10_000);
    await restarted;
    expect(ben.status.state).toBe('online');
    expect(ann.runs).toMatchObject([{ status: 'waiting' }]);
    all.hub.hold('ben');
    await pass(20_000);
    expect(ann.runs).toMatchObject([{ status: 'succeeded' }]);
    all.hub.cut('ben');
    all.hub.release('ben');
    await pass(20_000);
    await view.ended;
    expect([view.state, texts]).toEqual(['', ['one', '']]);
    await expect(pieces.next()).rejects.toMatchObject({ code: 'stream.reset' });
  });
});

describe('a viewer that knows of a later attempt than outlived a crash', () => {
  it('[SR56] reads to the end when the run ends without another one', async () => {
    const { pass } = stopTime();
    const all = scene({
      async talk({ broadcastStream, attempt }) {
        if (attempt === 1) broadcastStream('one');
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        throw Object.assign(new Error('not yet'), { retryAfterMs: attempt === 1 ? 1_000 : 60_000 });
      },
    });
    const ann = all.open('ann');
    await pass(100);
    await ann.mutate.go({ id: 'a' });
    await pass(4_000);
    const [run] = ann.runs;
    expect(run).toMatchObject({ status: 'waiting' });
    const view = ann.stream('talk', run?.id ?? '');
    const pieces = view[Symbol.asyncIterator]().next();
    const restarted = all.restart();
    await pass(10_000);
    await restarted;
    const canceled = ann.run('talk', run?.id ?? '').cancel();
    await pass(1_000);
    await canceled;
    await view.ended;
    expect(await pieces).toEqual({ done: true, value: undefined });
  });
});

describe('a viewer that comes back as another session', () => {
  for (const last of ['last', 'more than before', ''])
    it(`[SR55] gets all that is for that one and no more, when the stream ended with '${last}' meanwhile`, async () => {
      const { pass } = stopTime();
      const end = gate();
      let session = '';
      const all = scene({
        async talk({ broadcastStream, streamTo }) {
          if (last !== '') broadcastStream('all ');
          streamTo([session], 'mine');
          await end.passed;
          if (last !== '') broadcastStream(last);
          return {};
        },
      });
      const [ann, ben] = [all.open('ann'), all.open('ben')];
      await pass(100);
      session = ben.sessionId ?? '';
      await ann.mutate.go({ id: 'a' });
      await pass(100);
      const view = ben.stream('talk', ben.table('rows').get('a')?.run ?? '');
      const pieces = view[Symbol.asyncIterator]();
      const first = await pieces.next();
      expect(first.value).toBe(last === '' ? 'mine' : 'all mine');
      all.hub.hold('ben');
      end.open();
      await pass(20_000);
      all.hub.cut('ben');
      all.hub.release('ben');
      await pass(20_000);
      await view.ended;
      expect(ben.sessionId).not.toBe(session);
      expect(view.state).toBe(last === '' ? '' : `all ${last}`);
      await expect(pieces.next()).rejects.toMatchObject({ code: 'stream.reset' });
      const again: string[] = [];
      for await (const piece of view) again.push(piece);
      expect(again.join('')).toBe(view.state);
    });
});

describe('an attempt whose room the relay throws out of memory', () => {
  it('[SR52] speaks on: its viewers miss nothing, and neither does the short log', async () => {
    const [more, end] = [gate(), gate()];
    let isFailing = false;
    const kept: (() => Promise<number>)[] = [];
    const all = scene(
      {
        async talk({ broadcastStream }) {
          broadcastStream('one');
          await more.passed;
          broadcastStream(' two');
          await end.passed;
          return {};
        },
      },
      {
        cell: true,
        disk(storage) {
          kept.push(async () => (await storage.keptStreams('room')).length);
          return {
            async accept(...asked) {
              if (isFailing) throw new CotableError('storage.unavailable', { reason: 'a test' });
              return storage.accept(...asked);
            },
          };
        },
      },
    );
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await Promise.all([ann.synced, ben.synced]);
    await ann.mutate.go({ id: 'a' });
    await expect.poll(() => ben.table('rows').get('a')?.text).toBe('one');
    await expect.poll(() => kept[0]?.()).toBe(1);
    const former = ben.sessionId;
    isFailing = true;
    const refused = await ann.mutate.put({ id: 'b', text: '' });
    await expect.poll(() => ben.sessionId).not.toBe(former);
    isFailing = false;
    await refused.confirmed;
    await expect.poll(() => ben.status.state, { timeout: 40_000 }).toBe('online');
    more.open();
    await expect.poll(() => ben.table('rows').get('a')?.text, { timeout: 10_000 }).toBe('one two');
    await expect.poll(() => kept[0]?.()).toBe(2);
    end.open();
    await expect.poll(() => ben.table('rows').get('a')?.text).toBe('one two (succeeded)');
    await expect.poll(() => ann.table('rows').get('a')?.text).toBe('one two (succeeded)');
  }, 60_000);
});
