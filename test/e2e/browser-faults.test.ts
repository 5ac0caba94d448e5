import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventually, openDeviceScene, type Device, type DeviceScene } from './device-scene.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let scene: DeviceScene;
/** How often each kind of fault was done to a device. */
const done = {
  killed: 0,
  quota: 0,
  tabs: new Set<number>(),
  frozen: 0,
  evicted: 0,
  cleared: 0,
  deleted: 0,
  upgraded: 0,
  blocked: 0,
  private: 0,
  persisted: 0,
  folded: 0,
};

/** What was found in the logs of their rooms. */
const found = { mutations: 0, lost: 0, doubled: 0 };

beforeAll(async () => {
  scene = await openDeviceScene();
});
afterAll(() => scene?.close());

const databaseOf = (user: string): string => `cotable/${user}/${user}`;

/** Everything of these mutations that a device said to have is in the log of the room, once. */
async function expectOnce(user: string, mutations: readonly string[]): Promise<void> {
  const log = await scene.log(user);
  const accepted = new Set(log);
  const lost = [...mutations].filter((id) => !accepted.has(id));
  found.mutations += log.length;
  found.doubled += log.length - accepted.size;
  found.lost += lost.length;
  expect(lost, user).toEqual([]);
  expect(accepted.size, user).toBe(log.length);
}

/** What was told while `work` ran. */
async function during<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly stored: readonly string[] }> {
  const before = new Set(scene.told.stored);
  const result = await work();
  return { result, stored: [...scene.told.stored].filter((id) => !before.has(id)) };
}

async function crash(device: Device): Promise<void> {
  const crashed = new Promise((resolve) => device.page.once('crash', resolve));
  // Nobody is left to answer it.
  device.cdp.send('Page.crash').catch(() => undefined);
  await crashed;
  await device.page.close();
}

describe('in a real browser', () => {
  it('[BF1] a tab that is killed while it writes loses nothing of what it said to be stored, online or not', async () => {
    const context = await scene.newContext();
    const { stored } = await during(async () => {
      for (const isOffline of [true, false, false]) {
        const [victim, other] = [await scene.open(context, 'killed', isOffline), await scene.open(context, 'killed', isOffline)];
        const count = scene.told.stored.size;
        for (const [n, { page }] of [victim, other].entries()) {
          await page.evaluate((name) => window.device.keepWriting(name), `${done.killed} ${n}`);
        }
        await eventually(async () => scene.told.stored.size).toBeGreaterThan(count + 40);
        await crash(victim);
        if (isOffline) await crash(other);
        else await other.page.close();
        done.killed += isOffline ? 2 : 1;
      }
    });
    const again = await scene.open(context, 'killed');
    await again.level();
    await expectOnce('killed', stored);
    expect((await again.ids()).length).toBe((await scene.log('killed')).length);
    await context.close();
  });

  it('[BF2] a full disk shows in the status; what was kept before is there when there is space again, and what was not has been sent', async () => {
    const context = await scene.newContext();
    const blank = await scene.blank(context);
    const cdp = await context.newCDPSession(blank);
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: scene.origin, quotaSize: 2_000_000 });
    const device = await scene.open(context, 'quota');
    await device.level();
    const { result: unkept, stored } = await during(async () => {
      for (let n = 0; n < 100; n++) {
        const written = await device.write(`note ${n}`, 60_000);
        if (written.stored !== 'stored') return { ...written, name: `note ${n}` };
      }
      throw new Error('the disk is never full');
    });
    expect(unkept.stored).toBe('storage.quota');
    expect(stored.length).toBeGreaterThan(0);
    await device.confirmed();
    expect(await device.status()).toMatchObject({ state: 'online', pending: 0, durable: false, reason: 'storage.quota' });
    const full = await device.reload();
    expect((await full.ready).error).toBeUndefined();
    await full.level();
    expect(await full.ids()).toHaveLength(stored.length + 1);
    // What the store writes for itself may be the first that does not fit.
    for (let n = 0; n === 0 || (await full.status()).durable !== false; n++) await full.write(`while it is full ${n}`, 60_000);
    await full.confirmed();
    expect(await full.status()).toMatchObject({ state: 'online', durable: false, reason: 'storage.quota' });
    done.quota += 1;

    await cdp.send('Storage.overrideQuotaForOrigin', { origin: scene.origin });
    const again = await full.reload();
    await again.level();
    expect(await again.write('after')).toMatchObject({ stored: 'stored' });
    await again.level();
    expect(await again.status()).toMatchObject({ durable: 'unknown', reason: undefined });
    const ids = await again.ids();
    expect(ids).toEqual(expect.arrayContaining(['after', unkept.name, 'while it is full 0']));
    expect(await scene.log('quota')).toHaveLength(ids.length);
    await expectOnce('quota', [...stored, unkept.id]);
    await context.close();
  });

  it('[BF3] two to five tabs that write at once show the same, each mutation once', async () => {
    for (const count of [2, 3, 4, 5]) {
      const context = await scene.newContext();
      const user = `tabs ${count}`;
      const tabs = await Promise.all(Array.from({ length: count }, () => scene.open(context, user)));
      const { stored } = await during(() =>
        Promise.all(tabs.flatMap((tab, n) => Array.from({ length: 10 }, (_, index) => tab.write(`${n} ${index}`)))),
      );
      expect(stored).toHaveLength(10 * count);
      for (const tab of tabs) {
        await eventually(async () => (await tab.ids()).length).toBe(10 * count);
        await tab.level();
      }
      await expectOnce(user, stored);
      done.tabs.add(count);
      await context.close();
    }
  });

  it('[BF4] what a frozen tab had pending is sent by another one, once, and the tab that wakes goes on', async () => {
    const context = await scene.newContext();
    const before = await scene.renderers();
    const frozen = await scene.open(context, 'frozen', true);
    const process = (await scene.renderers()).filter((id) => !before.includes(id));
    const { stored } = await during(() => Promise.all(['one', 'two', 'three'].map((id) => frozen.write(id))));
    expect(process.length).toBeGreaterThan(0);
    // A browser freezes nobody in the middle of a transaction: all others would wait for it.
    await frozen.idle();
    for (const id of process) globalThis.process.kill(id, 'SIGSTOP');
    const other = await scene.open(context, 'frozen');
    // What else is shown tells why, where it fails.
    await eventually(async () => ({ ...(await other.status()), kept: (await scene.log('frozen')).length })).toMatchObject({ kept: 3 });
    await other.level();
    await expectOnce('frozen', stored);
    for (const id of process) globalThis.process.kill(id, 'SIGCONT');
    // Awake, and still without a way to the relay: what it writes is sent when it has gone.
    const { stored: later } = await during(() => frozen.write('awake'));
    await frozen.page.close();
    await eventually(async () => (await scene.log('frozen')).length).toBe(4);
    await other.level();
    await expectOnce('frozen', [...stored, ...later]);
    done.frozen += 1;
    await context.close();
  });

  it('[BF5] an evicted device is a newcomer, says so once, and has all that was confirmed', async () => {
    const context = await scene.newContext();
    const page = await scene.blank(context);
    const cdp = await context.newCDPSession(page);
    const first = await scene.open(context, 'evicted');
    const { id } = await first.write('confirmed');
    await first.confirmed();
    await first.page.close();
    await cdp.send('Storage.clearDataForOrigin', { origin: scene.origin, storageTypes: 'indexeddb' });
    const device = await scene.open(context, 'evicted');
    await device.level();
    expect((await device.statuses()).map(({ reason }) => reason)).toContain('storage.corrupt: the database is gone');
    expect(await device.status()).toMatchObject({ durable: 'unknown', reason: undefined });
    expect(await device.ids()).toEqual(['confirmed']);
    const second = await device.write('since then');
    expect(second).toMatchObject({ stored: 'stored' });
    expect(second.id.split('-')[0]).not.toBe(id.split('-')[0]);
    await device.level();
    done.evicted += 1;
    const again = await device.reload();
    await again.level();
    expect((await again.statuses()).flatMap(({ reason }) => reason ?? [])).toEqual([]);

    // The same while it is open: it does nothing, and hears of it.
    await cdp.send('Storage.clearDataForOrigin', { origin: scene.origin, storageTypes: 'indexeddb' });
    await eventually(again.status).toMatchObject({ state: 'online', durable: false, reason: 'storage.closed' });
    expect(await again.write('in memory')).toMatchObject({ stored: 'storage.closed' });
    await again.confirmed();
    done.cleared += 1;
    const newcomer = await again.reload();
    await newcomer.level();
    expect((await newcomer.ids()).toSorted()).toEqual(['confirmed', 'in memory', 'since then']);
    await expectOnce('evicted', []);
    await context.close();
  });

  it('[BF6] a database that another page deletes, upgrades or holds up shows in the status, and no open hangs', async () => {
    const context = await scene.newContext();
    const other = await scene.blank(context);
    const device = await scene.open(context, 'other');
    await device.write('kept');
    await device.confirmed();
    await other.evaluate((name) => void indexedDB.deleteDatabase(name), databaseOf('other'));
    await eventually(device.status).toMatchObject({ state: 'online', durable: false, reason: 'storage.closed' });
    await device.write('in memory');
    await device.confirmed();
    done.deleted += 1;

    const again = await device.reload();
    await again.level();
    expect((await again.ids()).toSorted()).toEqual(['in memory', 'kept']);
    expect((await again.statuses()).flatMap(({ reason }) => reason ?? [])).toEqual([]);

    await again.page.close();
    const held = await scene.blank(context);
    await held.evaluate(async (name) => {
      const request = indexedDB.open(name);
      await new Promise((resolve) => (request.onsuccess = resolve));
      // Somebody who does not let go.
      Object.assign(window, { held: request.result });
      await new Promise((resolve) => (indexedDB.deleteDatabase(name).onblocked = resolve));
    }, databaseOf('other'));
    const blocked = await scene.open(context, 'other');
    const { ms, error } = await blocked.ready;
    expect(error).toBeUndefined();
    expect(ms).toBeLessThan(5_000);
    await blocked.write('blocked');
    await blocked.confirmed();
    expect(await blocked.status()).toMatchObject({ state: 'online', durable: false, reason: 'storage.blocked' });
    done.blocked += 1;
    await held.close();

    const free = await blocked.reload();
    await free.level();
    expect(await free.status()).toMatchObject({ durable: 'unknown', reason: undefined });
    await other.evaluate((name) => void indexedDB.open(name, 1000), databaseOf('other'));
    await eventually(free.status).toMatchObject({ state: 'online', durable: false, reason: 'storage.unavailable' });
    const newer = await free.reload();
    await newer.level();
    expect(await newer.status()).toMatchObject({ durable: false, reason: 'storage.unavailable' });
    expect((await newer.ids()).length).toBe(3);
    done.upgraded += 1;
    await expectOnce('other', []);
    await context.close();
  });

  it('[BF7] a private window works, promises nothing, and forgets all; where the user lets the site keep its data, it is durable', async () => {
    for (const text of ['first', 'second']) {
      const context = await scene.newContext();
      const device = await scene.open(context, 'private', true);
      expect(await device.ready).toMatchObject({ error: undefined });
      expect(await device.ids()).toEqual([]);
      expect(await device.write(text)).toMatchObject({ stored: 'stored' });
      expect(await device.status()).toMatchObject({ pending: 1, durable: 'unknown', reason: undefined });
      await context.close();
      done.private += 1;
    }
    const context = await scene.trustingContext();
    const device = await scene.open(context, 'trusting');
    await device.level();
    await eventually(device.status).toMatchObject({ durable: true, reason: undefined });
    done.persisted += 1;
    await context.close();
  });

  it('[BF8] the log of a tab that stays open is folded on a real disk, and read again as it was', async () => {
    const context = await scene.newContext();
    const device = await scene.open(context, 'folded');
    await device.level();
    for (let n = 0; n < 4; n++) await scene.writeFromElsewhere('folded', 400);
    await eventually(async () => (await device.ids()).length).toBe(100);
    const read = (): Promise<{ readonly seq: number; readonly log: number }> =>
      device.page.evaluate(async (name) => {
        const request = indexedDB.open(name);
        await new Promise((resolve) => (request.onsuccess = resolve));
        const store = request.result.transaction('records').objectStore('records');
        const [base, log] = [store.get(['base']), store.count(IDBKeyRange.bound(['log'], ['log', []]))];
        await new Promise((resolve) => (log.onsuccess = resolve));
        request.result.close();
        return { seq: (base.result as { seq: number }).seq, log: log.result };
      }, databaseOf('folded'));
    await eventually(async () => (await read()).seq).toBeGreaterThan(500);
    await eventually(async () => Object.values(await read()).reduce((sum, n) => sum + n)).toBe(1_600);
    done.folded += 1;
    await device.page.close();
    const offline = await scene.open(context, 'folded', true);
    expect(await offline.ready).toMatchObject({ error: undefined });
    expect(await offline.ids()).toHaveLength(100);
    await context.close();
  });
});

it('[BF9] every kind of fault was done at least once, and nothing was lost', () => {
  const { tabs, ...kinds } = done;
  const report = { ...kinds, tabs: [...tabs].join('+'), stored: scene.told.stored.size, ...found };
  const line = Object.entries(report).map(([kind, count]) => `${kind}=${count}`);
  process.stdout.write(`browser faults: ${line.join(' ')}\n`);
  expect(Object.entries(kinds).filter(([, count]) => count === 0)).toEqual([]);
  expect([...tabs]).toEqual([2, 3, 4, 5]);
  expect(found).toMatchObject({ lost: 0, doubled: 0 });
});
