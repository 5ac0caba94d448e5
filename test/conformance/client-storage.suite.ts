import { describe, expect, test } from 'vitest';
import type { ClientDatabase, ClientStorage, Durability, StorageKey, StorageValue } from '../../src/ports/client-storage.ts';
import { clientUpdateRules } from './client-storage.update-rules.ts';

/**
 * What every client storage must do: the rules `CS` of the specification. `make` gives a storage that this suite may
 * fill; `durable` is what its databases are to say of themselves.
 */
export function clientStorageSuite(name: string, make: () => ClientStorage, expected: { readonly durable: Durability }): void {
  describe(`client storage: ${name}`, () => {
    const fresh = (): Promise<ClientDatabase> => make().open(freshName());
    const keysOf = async (database: ClientDatabase, prefix: StorageKey = []): Promise<StorageKey[]> =>
      (await database.range(prefix)).map(([key]) => key);
    const put = (database: ClientDatabase, ...keys: StorageKey[]): Promise<void> =>
      database.write({ put: keys.map((key) => [key, key.join()] as const) });

    test('[CS1] keys are ordered element by element: numbers before strings, numbers by value, strings by code unit', async () => {
      const database = await fresh();
      const ordered: StorageKey[] = [
        [],
        [-Infinity],
        [-1],
        [0],
        [0.5],
        [2],
        [10],
        [10, 1],
        [10, 'a'],
        [2 ** 53],
        [''],
        ['', 0],
        ['10'],
        ['2'],
        ['Z'],
        ['a'],
        ['a', -5],
        ['a', 5],
        ['a', 5, 'x'],
        ['a', 40],
        ['a', ''],
        ['a', 'b'],
        ['a\u0000'],
        ['ab'],
        ['b'],
        ['é'],
        ['\u{1F600}'],
        ['\uFFFF'],
      ];
      await put(database, ...[...ordered].reverse());
      expect(await keysOf(database)).toEqual(ordered);
    });

    test('[CS1] a list comes before its own extensions', async () => {
      const database = await fresh();
      await put(database, ['log', 1, 0], ['log', 1], ['log'], ['log', 1, 'x'], ['log', 0, 9]);
      expect(await keysOf(database)).toEqual([['log'], ['log', 0, 9], ['log', 1], ['log', 1, 0], ['log', 1, 'x']]);
    });

    test('[CS2] range gives the pairs whose key begins with the prefix, the prefix itself included, and no others', async () => {
      const database = await fresh();
      await put(database, ['log'], ['log', 1], ['log', 1, 'a'], ['log', 10], ['log', '1'], ['logs', 1], ['lo'], [1], [1, 'log']);
      expect(await database.range(['log'])).toEqual([
        [['log'], 'log'],
        [['log', 1], 'log,1'],
        [['log', 1, 'a'], 'log,1,a'],
        [['log', 10], 'log,10'],
        [['log', '1'], 'log,1'],
      ]);
      expect(await keysOf(database, ['log', 1])).toEqual([
        ['log', 1],
        ['log', 1, 'a'],
      ]);
      expect(await keysOf(database, [1])).toEqual([[1], [1, 'log']]);
      expect(await keysOf(database, ['nothing'])).toEqual([]);
    });

    test('[CS2] the highest of keys belong to their prefix too', async () => {
      const database = await fresh();
      const highest: StorageKey[] = [
        ['log', Infinity],
        ['log', '\uFFFF'],
        ['log', '\uFFFF', '\uFFFF'],
        ['log', '\uFFFF\uFFFF'],
      ];
      await put(database, ...highest, ['log\u0000']);
      expect(await keysOf(database, ['log'])).toEqual(highest);
      await database.write({ deletePrefix: [['log']] });
      expect(await keysOf(database)).toEqual([['log\u0000']]);
    });

    test('[CS2] range of [] gives everything', async () => {
      const database = await fresh();
      expect(await database.range([])).toEqual([]);
      await put(database, [], [1], ['a']);
      expect(await keysOf(database)).toEqual([[], [1], ['a']]);
    });

    test('[CS3] range is of one moment: it shows a batch whole or not at all', async () => {
      const database = await fresh();
      const work: Promise<unknown>[] = [];
      const seen: StorageValue[][] = [];
      for (let round = 0; round < 50; round++) {
        work.push(database.write({ put: [1, 2, 3].map((key) => [[key], round] as const) }));
        work.push(database.range([]).then((pairs) => seen.push(pairs.map(([, value]) => value))));
      }
      await Promise.all(work);
      expect(seen).toHaveLength(50);
      for (const values of seen) expect(new Set(values).size).toBeLessThanOrEqual(1);
    });

    test('[CS4] values that were read are the own ones of who reads', async () => {
      const database = await fresh();
      await database.write({ put: [[['a'], { list: [1], bytes: Uint8Array.of(1, 2) }]] });
      const read = async (): Promise<{ list: number[]; bytes: Uint8Array }> => {
        const [pair] = await database.range(['a']);
        return pair?.[1] as { list: number[]; bytes: Uint8Array };
      };
      const first = await read();
      first.list.push(2);
      first.bytes.fill(9);
      expect(await read()).toEqual({ list: [1], bytes: Uint8Array.of(1, 2) });
    });

    test('[CS5] values are copied within the call', async () => {
      const database = await fresh();
      const value = { list: [1], bytes: Uint8Array.of(1, 2) };
      const key = ['a', 1];
      const written = database.write({ put: [[key, value]] });
      value.list.push(2);
      value.bytes.fill(9);
      key.push('later');
      await written;
      expect(await database.range([])).toEqual([[['a', 1], { list: [1], bytes: Uint8Array.of(1, 2) }]]);
    });

    test('[CS6] a value may be anything that structured clone copies', async () => {
      const database = await fresh();
      const values: StorageValue[] = [
        undefined,
        null,
        true,
        -0.5,
        'text',
        10n,
        [1, [2]],
        { deep: { er: undefined } },
        new Uint8Array(0),
        Uint8Array.from({ length: 100_000 }, (_, index) => index),
        new Date(5),
        new Map([['a', new Set([1])]]),
      ];
      await database.write({ put: values.map((value, index) => [[index], value] as const) });
      expect((await database.range([])).map(([, value]) => value)).toStrictEqual(values);
    });

    test('[CS7] a value that cannot be cloned rejects with a storage error and changes nothing, wherever it stands in the batch', async () => {
      const database = await fresh();
      await put(database, ['kept'], ['log', 1]);
      const before = await database.range([]);
      const batch = {
        delete: [['kept']],
        deletePrefix: [['log']],
        put: [
          [['before'], 1],
          [['bad'], { inside: () => 'not data' }],
          [['after'], 2],
        ] as const,
      };
      await expect(database.write(batch)).rejects.toMatchObject({ name: 'CotableError', code: expect.stringMatching(/^storage\./) });
      expect(await database.range([])).toEqual(before);
    });

    test('[CS7] a key that is none rejects with a storage error and changes nothing', async () => {
      const database = await fresh();
      const batch = {
        put: [
          [['a'], 1],
          [[Number.NaN], 2],
        ] as const,
      };
      await expect(database.write(batch)).rejects.toMatchObject({ name: 'CotableError', code: expect.stringMatching(/^storage\./) });
      expect(await database.range([])).toEqual([]);
    });

    test('[CS8] batches take effect in the order of the calls, a refused one among them', async () => {
      const database = await fresh();
      const settled: string[] = [];
      const track = (label: string, write: Promise<void>): Promise<unknown> =>
        write.then(
          () => settled.push(label),
          () => settled.push(`${label} refused`),
        );
      await Promise.all([
        track('a', database.write({ put: [[['a'], 1]] })),
        track('b', database.write({ delete: [['a']], put: [[['b'], 1]] })),
        track('c', database.write({ put: [[['c'], () => undefined]] })),
        track('d', database.write({ deletePrefix: [['b']], put: [[['a'], 2]] })),
        track('e', database.write({ put: [[['a'], 3]] })),
      ]);
      expect(settled.filter((label) => !label.endsWith('refused'))).toEqual(['a', 'b', 'd', 'e']);
      expect(settled).toContain('c refused');
      expect(await database.range([])).toEqual([[['a'], 3]]);
    });

    test('[CS8] the last of many batches stands', async () => {
      const database = await fresh();
      const writes = Array.from({ length: 200 }, (_, index) => database.write({ put: [[['cell'], index]] }));
      await Promise.all(writes);
      expect(await database.range([])).toEqual([[['cell'], 199]]);
    });

    test('[CS9] deletes happen before puts', async () => {
      const database = await fresh();
      await put(database, ['a'], ['log', 1]);
      await database.write({
        put: [
          [['a'], 'new'],
          [['log', 2], 'new'],
        ],
        delete: [['a']],
        deletePrefix: [['log']],
      });
      expect(await database.range([])).toEqual([
        [['a'], 'new'],
        [['log', 2], 'new'],
      ]);
    });

    test('[CS10] a put replaces, and the last put of a key in a batch stands', async () => {
      const database = await fresh();
      await put(database, ['a']);
      await database.write({
        put: [
          [['a'], 1],
          [['a'], 2],
        ],
      });
      expect(await database.range([])).toEqual([[['a'], 2]]);
    });

    test('[CS10] delete takes that key alone, and one that is not there is no error', async () => {
      const database = await fresh();
      await put(database, ['log'], ['log', 1], ['logs']);
      await database.write({ delete: [['log'], ['nothing'], ['log', 1, 2]] });
      expect(await keysOf(database)).toEqual([['log', 1], ['logs']]);
      await database.write({});
      expect(await keysOf(database)).toEqual([['log', 1], ['logs']]);
    });

    test('[CS11] deletePrefix deletes each key that begins with it and no other', async () => {
      const database = await fresh();
      await put(database, ['log'], ['log', 1], ['log', 'z', 1], ['logs'], ['lo'], [1], [1, 2], [10]);
      await database.write({ deletePrefix: [['log'], [1], ['nothing']] });
      expect(await keysOf(database)).toEqual([[10], ['lo'], ['logs']]);
      await database.write({ deletePrefix: [[]] });
      expect(await keysOf(database)).toEqual([]);
    });

    test('[CS12] open makes the database when it is not there; each name has its own', async () => {
      const storage = make();
      const [one, two] = await Promise.all([storage.open(freshName()), storage.open(freshName())]);
      await put(one, ['a']);
      expect(await keysOf(one)).toEqual([['a']]);
      expect(await keysOf(two)).toEqual([]);
    });

    test('[CS12] a name may be any text', async () => {
      const storage = make();
      const names = ['room/with/slashes', 'ä ö \u{1F600}', '..', ' '].map((text) => freshName() + text);
      for (const each of names) await put(await storage.open(each), [each]);
      for (const each of names) expect(await keysOf(await storage.open(each))).toEqual([[each]]);
    });

    test('[CS13] two opens of one name see each other’s writes', async () => {
      const storage = make();
      const shared = freshName();
      const [one, two] = await Promise.all([storage.open(shared), storage.open(shared)]);
      await put(one, ['a']);
      await put(two, ['b']);
      expect(await keysOf(one)).toEqual([['a'], ['b']]);
      expect(await keysOf(two)).toEqual([['a'], ['b']]);
      await one.close();
      await put(two, ['c']);
      expect(await keysOf(two)).toEqual([['a'], ['b'], ['c']]);
    });

    test('[CS14] durable says whether data outlives the tab', async () => {
      expect((await fresh()).durable).toBe(expected.durable);
    });

    test('[CS15] what was written is there after close and open', async () => {
      const storage = make();
      const shared = freshName();
      const before = await storage.open(shared);
      await put(before, ['a'], ['b', 1]);
      await before.close();
      expect(await keysOf(await storage.open(shared))).toEqual([['a'], ['b', 1]]);
    });

    test('[CS16] close waits for the writes that were begun', async () => {
      const storage = make();
      const shared = freshName();
      const database = await storage.open(shared);
      const settled: number[] = [];
      const numbers = Array.from({ length: 50 }, (_, index) => index);
      for (const index of numbers) void put(database, [index]).then(() => settled.push(index));
      await database.close();
      // What has been decided is told within this turn.
      await new Promise((resolve) => setTimeout(resolve));
      expect(settled).toEqual(numbers);
      expect(await keysOf(await storage.open(shared))).toEqual(numbers.map((index) => [index]));
    });

    test('[CS17] after close, calls reject with storage.closed; closing again does nothing', async () => {
      const database = await fresh();
      const closing = database.close();
      await expect(put(database, ['a'])).rejects.toMatchObject({ name: 'CotableError', code: 'storage.closed' });
      await expect(database.range([])).rejects.toMatchObject({ name: 'CotableError', code: 'storage.closed' });
      await closing;
      await expect(put(database, ['a'])).rejects.toMatchObject({ code: 'storage.closed' });
      await expect(database.close()).resolves.toBeUndefined();
    });

    clientUpdateRules(make, freshName);
  });
}

/** Databases of a real storage outlive a test: no two tests share one. */
function freshName(): string {
  return `suite-${crypto.randomUUID()}`;
}
