import { expect, test } from 'vitest';
import type { ClientDatabase, ClientStorage, StorageBatch, StorageKey, StorageValue } from '../../src/ports/client-storage.ts';

/** What `update` of every client storage must do. Called within the suite. */
export function clientUpdateRules(make: () => ClientStorage, freshName: () => string): void {
  const fresh = (): Promise<ClientDatabase> => make().open(freshName());
  const put = (key: StorageKey, value: StorageValue): StorageBatch => ({ put: [[key, value]] });
  const plusOne = ([value]: readonly StorageValue[]): StorageBatch => put(['n'], Number(value ?? 0) + 1);

  test('[CS18] update reads its keys in the order asked, and writes what comes of them', async () => {
    const database = await fresh();
    await database.write({
      put: [
        [['a'], 1],
        [['b'], undefined],
        [['a', 1], 'longer'],
        [['gone', 1], 1],
      ],
    });
    const seen: (readonly StorageValue[])[] = [];
    await database.update([['a', 1], ['nothing'], ['a'], ['b'], ['a']], (values) => {
      seen.push([...values]);
      return { put: [[['c'], 3]], delete: [['a']], deletePrefix: [['gone']] };
    });
    expect(seen).toEqual([['longer', undefined, 1, undefined, 1]]);
    expect((await database.range([])).map(([key]) => key)).toEqual([['a', 1], ['b'], ['c']]);
  });

  test('[CS18] update of no keys, and one that changes nothing, are fine', async () => {
    const database = await fresh();
    await database.update([], (values) => put(['n'], values.length));
    await database.update([['n']], () => ({}));
    expect(await database.range([])).toEqual([[['n'], 0]]);
  });

  test('[CS19] of many updates at once none is lost', async () => {
    const storage = make();
    const name = freshName();
    const opens = await Promise.all([storage.open(name), storage.open(name), storage.open(name)]);
    await Promise.all(Array.from({ length: 60 }, (_, index) => opens[index % 3]!.update([['n']], plusOne)));
    expect(await opens[0]!.range([])).toEqual([[['n'], 60]]);
  });

  test('[CS19] of two opens that want what is not there yet one gets it', async () => {
    const storage = make();
    const name = freshName();
    const opens = await Promise.all([storage.open(name), storage.open(name)]);
    const got: string[] = [];
    const take = (database: ClientDatabase, who: string): Promise<void> =>
      database.update([['owner']], ([owner]) => {
        if (owner === undefined) got.push(who);
        return owner === undefined ? put(['owner'], who) : {};
      });
    await Promise.all([take(opens[1], 'two'), take(opens[0], 'one')]);
    expect(got).toHaveLength(1);
    expect(await opens[0].range([])).toEqual([[['owner'], got[0]]]);
  });

  test('[CS20] updates and writes take effect in the order of the calls', async () => {
    const database = await fresh();
    const seen: StorageValue[] = [];
    const work: Promise<void>[] = [];
    for (let round = 0; round < 20; round++) {
      work.push(database.write(put(['n'], round * 10)));
      work.push(
        database.update([['n']], (values) => {
          seen.push(values[0]);
          return plusOne(values);
        }),
      );
      work.push(
        database.update([['n']], (values) => {
          seen.push(values[0]);
          return plusOne(values);
        }),
      );
    }
    const after = database.range([]);
    await Promise.all(work);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, round) => [round * 10, round * 10 + 1]).flat());
    expect(await after).toEqual([[['n'], 192]]);
  });

  test('[CS21] what change throws rejects it and changes nothing; the next goes on', async () => {
    const database = await fresh();
    await database.write(put(['n'], 1));
    const refused = database.update([['n']], () => {
      throw new RangeError('no');
    });
    const next = database.update([['n']], plusOne);
    await expect(refused).rejects.toThrow();
    await next;
    expect(await database.range([])).toEqual([[['n'], 2]]);
  });

  test('[CS21] what cannot be kept rejects with a storage error and changes nothing', async () => {
    const database = await fresh();
    await database.write(put(['n'], 1));
    const error = { name: 'CotableError', code: expect.stringMatching(/^storage\./) as unknown };
    const bad: StorageBatch = {
      delete: [['n']],
      put: [
        [['a'], 1],
        [['bad'], () => 'not data'],
      ],
    };
    await expect(database.update([['n']], () => bad)).rejects.toMatchObject(error);
    await expect(database.update([['n']], () => ({ delete: [['n']], put: [[[Number.NaN], 1]] }))).rejects.toMatchObject(error);
    await expect(database.update([[Number.NaN]], () => put(['a'], 1))).rejects.toMatchObject(error);
    expect(await database.range([])).toEqual([[['n'], 1]]);
  });

  test('[CS22] values go in and out as copies', async () => {
    const database = await fresh();
    await database.write(put(['a'], { list: [1] }));
    const returned = { list: [7] };
    const keys: (string | number)[][] = [['a']];
    const updated = database.update(keys, ([value]) => {
      (value as { list: number[] }).list.push(2);
      return put(['b'], returned);
    });
    keys[0]!.push('later');
    await updated;
    returned.list.push(8);
    expect(await database.range([])).toEqual([
      [['a'], { list: [1] }],
      [['b'], { list: [7] }],
    ]);
  });

  test('[CS23] close waits for an update that was begun, and refuses those after it', async () => {
    const storage = make();
    const name = freshName();
    const database = await storage.open(name);
    const begun = database.update([['n']], plusOne);
    await database.close();
    await begun;
    let calls = 0;
    const late = database.update([['n']], (values) => {
      calls += 1;
      return plusOne(values);
    });
    await expect(late).rejects.toMatchObject({ name: 'CotableError', code: 'storage.closed' });
    expect(calls).toBe(0);
    expect(await (await storage.open(name)).range([])).toEqual([[['n'], 1]]);
  });
}
