import { describe, expect, test } from 'vitest';
import { createWorld, type TestStore } from './support.ts';

describe('a mutator that makes mutations', () => {
  test('[MU41] is refused when they change what it has read, and loses nothing of them', async () => {
    const place: { store?: TestStore } = {};
    const inner: Promise<unknown>[] = [];
    const store = createWorld().openOffline('alice', {
      act: (ctx) => {
        const n = ctx.table('counters').get('c')?.n ?? 0;
        inner.push(place.store!.mutate.count({ id: 'c', by: 10 }));
        ctx.table('counters').set('c', { n: n + 1 });
      },
    });
    place.store = store;
    await store.ready;
    await expect(store.mutate.act(null)).rejects.toMatchObject({ code: 'mutation.contested', params: { name: 'act' } });
    await Promise.all(inner);
    expect(store.table('counters').get('c')).toEqual({ n: 10 });
  });
});
