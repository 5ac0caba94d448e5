import { isCotableError, type Store, type StreamView } from 'cotable';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { gate, piecesOf, scene, type S } from './scene.ts';

async function code(failing: Promise<unknown>): Promise<string> {
  return failing.then(
    () => 'resolved',
    (error: unknown) => (isCotableError(error) ? error.code : String(error)),
  );
}

const synced = (...stores: readonly Store<S>[]): Promise<unknown> => Promise.all(stores.map((store) => store.synced));

describe('looking at a stream', () => {
  it('[SR6] gives what each kind makes of its pieces: a text that grows, a list, the latest value', async () => {
    const end = gate();
    const all = scene({
      async talk({ broadcastStream }) {
        for (const word of ['one', ' two', ' three']) broadcastStream(word);
        await end.passed;
        return {};
      },
      async work(ctx) {
        ctx.broadcastStream({ step: 'read' });
        ctx.broadcastStream({ step: 'write', at: 2 });
        await end.passed;
        return {};
      },
      async meter(ctx) {
        for (let percent = 0; percent <= 100; percent += 10) ctx.broadcastStream({ percent });
        await end.passed;
        return {};
      },
    });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await synced(ann, ben);
    const [talk, work, meter] = [ann.action.talk({ id: 'a' }), ann.action.work({ id: 'b' }), ann.action.meter({ id: 'c' })];
    const text = ben.stream('talk', talk.id);
    const items = ben.stream('work', work.id);
    const value = ben.stream('meter', meter.id);
    expect([text.state, items.state, value.state]).toEqual(['', [], undefined]);
    expect(ben.stream('talk', talk.id)).toBe(text);
    await expect.poll(() => text.state).toBe('one two three');
    // A validator's output is what is seen: a default is filled in.
    await expect
      .poll(() => items.state)
      .toEqual([
        { step: 'read', at: 0 },
        { step: 'write', at: 2 },
      ]);
    await expect.poll(() => value.state).toEqual({ percent: 100 });
    expect([text.open, items.open, value.open]).toEqual([true, true, true]);
    end.open();
    await Promise.all([text.ended, items.ended, value.ended]);
    expect(ben.table('rows').get('a')?.text).toBe('one two three (succeeded)');
    expect([text.open, items.open, value.open]).toEqual([false, false, false]);
    expect((await piecesOf(text)).join('')).toBe('one two three');
    expect(await piecesOf(items)).toEqual(items.state);
    expect((await piecesOf(value)).at(-1)).toEqual({ percent: 100 });
  });

  it('[SR7] reaches the user who asked, the users and sessions that are named, or everyone, each in the order it was said', async () => {
    const go = gate();
    const names: string[] = [];
    const all = scene({
      async work(ctx) {
        await go.passed;
        ctx.stream({ step: 'for the asker' });
        ctx.broadcastStream({ step: 'for all' });
        ctx.streamTo(['ben', names[0] ?? ''], { step: 'for ben and a session' });
        ctx.streamTo([], { step: 'for nobody' });
        ctx.stream({ step: 'for the asker again' });
        return {};
      },
    });
    // Two sessions of one user, and one of them is named.
    const [ann, ann2, ben, cyd, cyd2] = ['ann', 'ann', 'ben', 'cyd', 'cyd'].map(all.open) as [
      Store<S>,
      Store<S>,
      Store<S>,
      Store<S>,
      Store<S>,
    ];
    await synced(ann, ann2, ben, cyd, cyd2);
    names.push(cyd.sessionId ?? '');
    expect(new Set([ann, ann2, ben, cyd, cyd2].map((store) => store.sessionId)).size).toBe(5);
    const { id } = ann.action.work({ id: 'a' });
    const views = [ann, ann2, ben, cyd, cyd2].map((store) => store.stream('work', id));
    go.open();
    await Promise.all(views.map((view) => view.ended));
    const seen = await Promise.all(views.map(async (view) => (await piecesOf(view)).map(({ step }) => step)));
    const asker = ['for the asker', 'for all', 'for the asker again'];
    expect(seen).toEqual([asker, asker, ['for all', 'for ben and a session'], ['for all', 'for ben and a session'], ['for all']]);
  });

  it('[SR8] can be read by several at once, each at its own pace, and left', async () => {
    const [more, end] = [gate(), gate()];
    const all = scene({
      async talk(ctx) {
        for (const word of ['a', 'b', 'c']) ctx.broadcastStream(word);
        await more.passed;
        ctx.broadcastStream('d');
        await end.passed;
        return {};
      },
    });
    const ann = all.open('ann');
    await ann.synced;
    const view = ann.stream('talk', ann.action.talk({ id: 'a' }).id);
    const fast = piecesOf(view);
    const slow = view[Symbol.asyncIterator]();
    const left = view[Symbol.asyncIterator]();
    expect((await slow.next()).value).toBe('abc');
    expect((await left.next()).value).toBe('abc');
    // It waits for more, and is left all the same.
    const waiting = left.next();
    await left.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    more.open();
    await expect.poll(() => view.state).toBe('abcd');
    end.open();
    expect((await fast).join('')).toBe('abcd');
    expect(await slow.next()).toEqual({ done: false, value: 'd' });
    expect(await slow.next()).toEqual({ done: true, value: undefined });
    expect(await left.next()).toEqual({ done: true, value: undefined });
  });

  it('[SR9] works from a tab that did not ask, from before the relay knows the run, and shows the row when it has ended', async () => {
    const [go, end] = [gate(), gate()];
    const all = scene(
      {
        async talk(ctx) {
          await go.passed;
          ctx.broadcastStream('hello');
          await end.passed;
          return {};
        },
      },
      { cell: true },
    );
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await synced(ann, ben);
    all.hub.setAvailable('ann', false);
    all.hub.cut('ann');
    await ann.mutate.go({ id: 'a' });
    const own = ann.stream('talk', ann.table('rows').get('a')?.run ?? '');
    all.hub.setAvailable('ann', true);
    await expect.poll(() => ben.table('rows').get('a')?.run).toBeDefined();
    const view = ben.stream('talk', ben.table('rows').get('a')?.run ?? '');
    go.open();
    await expect.poll(() => [own.state, view.state]).toEqual(['hello', 'hello']);
    const seen: string[] = [];
    // What a page does that shows the stream until the row has it.
    const show = (): void => void seen.push(view.open ? view.state : (ben.table('rows').get('a')?.text ?? ''));
    ben.table('rows').rows$.subscribe(show);
    void view.ended.then(show);
    end.open();
    await view.ended;
    await own.ended;
    expect(new Set(seen)).toEqual(new Set(['hello', 'hello (succeeded)']));
    expect(seen.at(-1)).toBe('hello (succeeded)');
  });

  it('[SR10] ends without having said anything, and for who was said nothing to', async () => {
    const go = gate();
    const all = scene({
      async talk(ctx) {
        await go.passed;
        ctx.streamTo(['nobody'], 'x');
        return {};
      },
    });
    const [ann, ben] = [all.open('ann'), all.open('ben')];
    await synced(ann, ben);
    const asked = ann.action.talk({ id: 'a' });
    const view = ben.stream('talk', asked.id);
    await asked.accepted;
    go.open();
    await view.ended;
    expect(view.state).toBe('');
    expect(await piecesOf(view)).toEqual([]);
    // Looked at for the first time when all is over.
    const cyd = all.open('cyd');
    const late = cyd.stream('talk', asked.id);
    await late.ended;
    expect(late.state).toBe('');
  });

  it('[SR11] answers for a minute after the end, and is stream.gone then, as is a run that never was', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const all = scene({
      async talk(ctx) {
        ctx.broadcastStream('said');
        return {};
      },
    });
    const ann = all.open('ann');
    await ann.synced;
    const asked = ann.action.talk({ id: 'a' });
    await asked;
    vi.setSystemTime(Date.now() + 59_000);
    const ben = all.open('ben');
    const late = ben.stream('talk', asked.id);
    await late.ended;
    expect(late.state).toBe('said');
    expect(ben.table('rows').get('a')?.text).toBe('said (succeeded)');
    vi.setSystemTime(Date.now() + 2_000);
    const cyd = all.open('cyd');
    const gone = cyd.stream('talk', asked.id);
    const never = cyd.stream('talk', 'never-1:1');
    expect(await code(gone.ended)).toBe('stream.gone');
    expect(await code(never.ended)).toBe('stream.gone');
    expect(await code(piecesOf(gone))).toBe('stream.gone');
    expect(gone.open).toBe(false);
    expect(() => cyd.stream('tok' as 'talk', asked.id)).toThrow(expect.objectContaining({ code: 'action.unknown' }));
    const closed: StreamView<string, string> = ann.stream('talk', 'another-1:1');
    await ann.close();
    expect(['store.closed', 'stream.gone']).toContain(await code(closed.ended));
    expect(await code(ann.stream('talk', 'one-more:1').ended)).toBe('store.closed');
  });
});
