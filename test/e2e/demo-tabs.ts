import type { Page } from 'playwright';
import { describe, expect, it } from 'vitest';
import type { Pane } from './demo-harness.ts';
import { allShow, confirmed, eventually, tabIn, type DemoScene, type TabPane } from './demo-scene.ts';

/** Two tabs of Alice in one browser, and Bob in another, all online. */
async function openThree(scene: DemoScene): Promise<{ readonly left: TabPane; readonly right: TabPane; readonly bob: TabPane }> {
  const left = await scene.openTab('Alice');
  const [right, bob] = [await scene.openTab('Alice', left.page), await scene.openTab('Bob')];
  for (const pane of [left, right, bob]) await confirmed(pane);
  return { left, right, bob };
}

/** Tabs without a network show these messages; so many of them are pending. */
async function pendingIn(panes: readonly Pane[], texts: readonly string[], pending: number): Promise<void> {
  for (const pane of panes) {
    await eventually(pane.texts).toEqual(texts);
    await eventually(pane.pending).toBe(`${pending} pending`);
    await eventually(pane.state).toBe('Offline');
  }
}

/** Turns the switch, which the tabs of a user share. */
async function turnNetwork(panes: readonly Pane[], isOn: boolean): Promise<void> {
  await panes[0]?.network.click();
  for (const pane of panes) await eventually(() => pane.network.isChecked()).toBe(isOn);
  if (!isOn) for (const pane of panes) await eventually(pane.state).toBe('Offline');
}

/** Ends the demo and its relay as a power cut does. */
async function killAll({ demo }: DemoScene): Promise<void> {
  const { relayPort } = (await (await fetch(`${demo.url}config.json`)).json()) as { relayPort: number };
  await demo.stop('SIGKILL');
  const answers = (): Promise<boolean> =>
    fetch(`http://localhost:${relayPort}/`).then(
      () => true,
      () => false,
    );
  await eventually(answers).toBe(false);
}

/** Stops the scripts of a page where they are, timers and messages included. The function returned lets them go on. */
async function freeze(page: Page): Promise<() => Promise<void>> {
  const inspector = await page.context().newCDPSession(page);
  await inspector.send('Debugger.enable');
  const paused = new Promise((resolve) => inspector.once('Debugger.paused', resolve));
  await inspector.send('Debugger.pause');
  // What it stops at: without it, it would be the next thing that happens there.
  void inspector.send('Runtime.evaluate', { expression: '0' }).catch(() => undefined);
  await paused;
  return async () => {
    await inspector.send('Debugger.resume');
    await inspector.detach();
  };
}

/** What the demo's tests say of several tabs of one user. To be called once, where the demo is set up. */
export function describeTabs(scene: DemoScene): void {
  describe('tabs of one user', () => {
    it('[DM26] are opened by the link in the header, by keyboard too, and a duplicate works like any other', async () => {
      const { page, alice, bob } = await scene.open();
      await alice.anotherTab.focus();
      const [opened] = await Promise.all([page.context().waitForEvent('page'), page.keyboard.press('Enter')]);
      const second = tabIn(opened);
      await confirmed(second);
      await second.say('from the second tab');
      await allShow([alice, second, bob], ['from the second tab']);

      await opened.evaluate(() => sessionStorage.setItem('copied', 'yes'));
      const [copy] = await Promise.all([page.context().waitForEvent('page'), opened.evaluate(() => void window.open(location.href))]);
      const third = tabIn(copy);
      await confirmed(third);
      expect(await copy.evaluate(() => sessionStorage.getItem('copied'))).toBe('yes');
      await Promise.all([second.say('from the one'), third.say('from its copy')]);
      await eventually(bob.texts).toHaveLength(3);
      expect((await bob.texts()).toSorted()).toEqual(['from its copy', 'from the one', 'from the second tab']);
      await allShow([alice, second, third, bob], await bob.texts());
    });

    it('[DM27] show at once what one of them writes: online, with the switch off, and with the relay killed', async () => {
      const { left, right, bob } = await openThree(scene);
      await left.say('1 left, online');
      await right.say('2 right, online');
      const texts = ['1 left, online', '2 right, online'];
      await allShow([left, right, bob], texts);

      await turnNetwork([left, right], false);
      await left.say('3 left, switched off');
      await right.articles.filter({ hasText: '3 left' }).waitFor();
      await right.say('4 right, switched off');
      const offline = [...texts, '3 left, switched off', '4 right, switched off'];
      await pendingIn([left, right], offline, 2);
      expect(await bob.texts()).toEqual(texts);
      await turnNetwork([right, left], true);
      await allShow([left, right, bob], offline);

      await killAll(scene);
      await right.say('5 right, no relay');
      await left.articles.filter({ hasText: '5 right' }).waitFor();
      await left.say('6 left, no relay');
      const killed = [...offline, '5 right, no relay', '6 left, no relay'];
      await pendingIn([left, right], killed, 2);
      expect(await bob.texts()).toEqual(offline);
      await scene.start(['--port', scene.demo.port]);
      await allShow([left, right, bob], killed);
    });

    it('[DM28] leave what they wrote to another one when they are closed, which brings it to the relay once', async () => {
      const { left, right, bob } = await openThree(scene);
      await turnNetwork([left, right], false);
      await left.say('written in a tab that is closed');
      await right.articles.first().waitFor();
      await left.page.close();
      await turnNetwork([right], true);
      await allShow([right, bob], ['written in a tab that is closed']);

      // Nobody is left; a new tab finds it on the disk.
      await turnNetwork([right], false);
      await right.say('written in the last tab');
      const blank = await right.page.context().newPage();
      await right.page.close();
      const next = await scene.openTab('Alice', blank);
      await pendingIn([next], ['written in a tab that is closed', 'written in the last tab'], 1);
      await turnNetwork([next], true);
      await allShow([next, bob], ['written in a tab that is closed', 'written in the last tab']);
    });

    it('[DM29] keep what is pending over a reload of each of them, and bring it to the relay once', async () => {
      const { left, right, bob } = await openThree(scene);
      await turnNetwork([left, right], false);
      await left.say('1 from the left');
      await right.articles.first().waitFor();
      await right.say('2 from the right');
      const texts = ['1 from the left', '2 from the right'];
      await pendingIn([left, right], texts, 2);
      for (const tab of [left, right]) {
        await tab.page.reload();
        await pendingIn([left, right], texts, 2);
      }
      await left.page.reload();
      await turnNetwork([right, left], true);
      await allShow([left, right, bob], texts);
    });

    it('[DM30] end equal when five write at the same time and the relay is killed in the middle', async () => {
      const bob = await scene.openTab('Bob');
      const first = await scene.openTab('Alice');
      const tabs = [first, ...(await Promise.all([2, 3, 4, 5].map(() => scene.openTab('Alice', first.page))))];
      for (const tab of tabs) await confirmed(tab);
      const written = tabs.map((_, tab) => [1, 2, 3, 4, 5, 6].map((message) => `tab ${tab}, message ${message}`));
      const killed = bob.articles
        .nth(7)
        .waitFor()
        .then(() => fetch(`${scene.demo.url}relay/kill`, { method: 'POST', headers: { 'content-type': 'application/json' } }));
      await Promise.all(
        tabs.map(async (tab, index) => {
          for (const text of written[index] ?? []) await tab.say(text);
        }),
      );
      expect((await killed).status).toBe(200);
      await eventually(bob.texts).toHaveLength(30);
      const texts = await bob.texts();
      expect(texts.toSorted()).toEqual(written.flat().toSorted());
      await allShow([...tabs, bob], texts);
    });

    it('[DM31] bring to the relay what is pending in one that is frozen, and nothing is there twice when it wakes up', async () => {
      const { left, right, bob } = await openThree(scene);
      await turnNetwork([left, right], false);
      await left.say('1 from a tab that freezes');
      await left.say('2 from it, too');
      await right.articles.nth(1).waitFor();
      const wake = await freeze(left.page);
      await turnNetwork([right], true);
      await right.say('3 from one that is awake');
      const texts = ['1 from a tab that freezes', '2 from it, too', '3 from one that is awake'];
      await allShow([right, bob], texts);

      await wake();
      await allShow([left, right, bob], texts);
      await left.say('4 awake again');
      await allShow([left, right, bob], [...texts, '4 awake again']);
    });
  });
}
