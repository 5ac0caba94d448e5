import { beforeEach, describe, expect, inject, it } from 'vitest';
import { openTab, type Tab } from './tab-frame.ts';

let prefix: string;
beforeEach(() => {
  prefix = `test-${crypto.randomUUID()}`;
});

/** A tab of a device that has no relay. */
const alone = (): Promise<Tab> => openTab({ prefix, userId: 'ann' });
/** A tab whose relay does not answer. */
const unlinked = (userId = 'ann', room = 'room'): Promise<Tab> => openTab({ prefix, userId, room, relay: inject('silentUrl') });

const rowsOf = ({ page }: Tab) => JSON.stringify(page.store.table('notes').list());

/** They show these texts, and the same rows. */
async function show(tabs: readonly Tab[], texts: readonly string[]): Promise<void> {
  for (const tab of tabs) await expect.poll(tab.texts).toEqual(texts);
  const [first] = tabs;
  for (const tab of tabs) await expect.poll(() => rowsOf(tab)).toBe(first && rowsOf(first));
}

describe('a device without a relay', () => {
  it('[BT1] keeps its rows over a reload, with nothing pending', async () => {
    const tab = await alone();
    expect(tab.page.store.status).toMatchObject({ state: 'alone', pending: 0, durable: 'unknown' });
    await tab.page.store.synced;
    const receipt = await tab.page.write('a', 'kept');
    await receipt.confirmed;
    await tab.reload();
    expect(tab.texts()).toEqual(['kept']);
    expect(tab.page.store.status).toMatchObject({ state: 'alone', pending: 0, durable: 'unknown' });
    await (
      await tab.page.edit('a', 'kept, and changed')
    ).confirmed;
    await tab.reload();
    expect(tab.texts()).toEqual(['kept, and changed']);
  });

  it('[BT2] has tabs that show at once what one of them writes, and one that is opened later shows all', async () => {
    const [left, right] = [await alone(), await alone()];
    await left.page.write('a', 'from the left');
    await show([left, right], ['from the left']);
    await right.page.write('b', 'from the right');
    await show([left, right], ['from the left', 'from the right']);
    const late = await alone();
    await show([left, right, late], ['from the left', 'from the right']);
    await late.page.mark('a', 'seen');
    for (const tab of [left, right]) await expect.poll(() => tab.page.store.table('notes').get('a')?.mark).toBe('seen');
  });

  it('[BT3] has equal rows after edits of one cell at the same time, in all tabs and after a reload', async () => {
    const [left, right] = [await alone(), await alone()];
    await left.page.write('a', 'first');
    await show([left, right], ['first']);
    // Both within one turn: neither has heard of the other's.
    const edits = [left.page.edit('a', 'left'), right.page.edit('a', 'right')];
    expect([left.texts(), right.texts()]).toEqual([['left'], ['right']]);
    for (const receipt of await Promise.all(edits)) await receipt.confirmed;
    await expect.poll(() => rowsOf(left)).toBe(rowsOf(right));
    const [winner = ''] = left.texts();
    expect(['left', 'right']).toContain(winner);
    await left.reload();
    await show([left, right, await alone()], [winner]);
  });

  it('[BT4] loses nothing of a tab that dies without a word', async () => {
    const [left, right] = [await alone(), await alone()];
    await (
      await left.page.write('a', 'last words')
    ).stored;
    left.kill();
    await show([right], ['last words']);
    right.kill();
    await show([await alone()], ['last words']);
  });

  it('[BT5] ends equal, on disk too, when many tabs write at the same time', async () => {
    const tabs = await Promise.all([1, 2, 3, 4, 5].map(alone));
    const idsOf = (tab: number): string[] => Array.from({ length: 20 }, (_, index) => `${tab}-${10 + index}`);
    const write = async ({ page }: Tab, id: string): Promise<void> => {
      await page.write(id, id);
      const receipt = await page.mark(id, 'done');
      await receipt.confirmed;
    };
    await Promise.all(tabs.flatMap((tab, number) => idsOf(number).map((id) => write(tab, id))));
    const texts = tabs.flatMap((_, number) => idsOf(number));
    await show(tabs, texts);
    const rows = rowsOf(tabs[0] as Tab);
    expect(rows.match(/done/g)).toHaveLength(texts.length);
    for (const tab of tabs) tab.kill();
    const next = await alone();
    expect(rowsOf(next)).toBe(rows);
  });
});

describe('tabs whose relay is out of reach', () => {
  it('[BT6] show at once what is pending in another, and count it', async () => {
    const [left, right] = [await unlinked(), await unlinked()];
    await left.page.write('a', 'from the left');
    await show([left, right], ['from the left']);
    await right.page.edit('a', 'from both');
    await show([left, right], ['from both']);
    for (const tab of [left, right]) await expect.poll(() => tab.page.store.status.pending).toBe(2);
  });

  it('[BT7] keep what is pending over a reload of each of them, and when one dies', async () => {
    const [left, right] = [await unlinked(), await unlinked()];
    for (const [tab, id] of [
      [left, 'a'],
      [right, 'b'],
    ] as const)
      await (
        await tab.page.write(id, id)
      ).stored;
    await show([left, right], ['a', 'b']);
    for (const tab of [left, right]) {
      await tab.reload();
      await show([left, right], ['a', 'b']);
      expect(tab.page.store.status.pending).toBe(2);
    }
    right.kill();
    await left.page.edit('b', 'B');
    await show([left, await unlinked()], ['a', 'B']);
  });

  it('[BT8] hear nothing of another room or another user', async () => {
    const tab = await unlinked();
    const others = [await unlinked('ann', 'attic'), await unlinked('bob')];
    const same = await unlinked();
    await tab.page.write('a', 'for ann, in this room');
    await show([tab, same], ['for ann, in this room']);
    for (const other of others) expect(other.texts()).toEqual([]);
  });

  it('[BT9] are not loading any more when they can be read, though they still look whom it belongs to', async () => {
    const tab = await unlinked();
    await (
      await tab.page.write('a', 'pending')
    ).stored;
    await tab.reload();
    expect(tab.texts()).toEqual(['pending']);
    expect(['connecting', 'offline']).toContain(tab.page.store.status.state);
  });
});
