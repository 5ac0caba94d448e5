import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { describeBot } from './demo-bot.ts';
import { describeTabs } from './demo-tabs.ts';
import { runDemo, type Pane } from './demo-harness.ts';
import { bothShow, confirmed, demoScene, eventually } from './demo-scene.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const scene = demoScene();

describe('the page', () => {
  it('[DM1] shows two clients, each with all it needs, by its accessible name', async () => {
    const { alice, bob } = await scene.open();
    for (const pane of [alice, bob]) {
      await pane.field.waitFor();
      await pane.send.waitFor();
      await pane.reload.waitFor();
      await pane.log.waitFor();
      expect(await pane.network.isChecked()).toBe(true);
      expect(await pane.articles.count()).toBe(0);
      await confirmed(pane);
    }
    await alice.field.fill('by the button');
    await alice.send.click();
    await bothShow(alice, bob, ['by the button']);
    expect(await alice.field.inputValue()).toBe('');
  });

  it('[DM2] carries a message from Alice to Bob, and back', async () => {
    const { alice, bob } = await scene.open();
    await alice.say('hello Bob');
    await bothShow(alice, bob, ['hello Bob']);
    await bob.say('hello Alice');
    await bothShow(alice, bob, ['hello Bob', 'hello Alice']);
    expect((await alice.whole())[0]).toContain('Alice');
    expect((await alice.whole())[1]).toContain('Bob');
  });

  it('[DM3 DM4 DM5] lets nothing cross while Alice is offline, keeps what she wrote over a reload, and brings both level again', async () => {
    const { page, alice, bob } = await scene.open();
    await alice.say('before');
    await bothShow(alice, bob, ['before']);

    await alice.network.click();
    await eventually(alice.state).toBe('Offline');
    await alice.say('from Alice, offline');
    await bob.say('from Bob, online');
    await confirmed(bob);
    // Hers, made first, has not crossed in the time that his took to the relay and back.
    expect(await bob.texts()).toEqual(['before', 'from Bob, online']);
    expect(await alice.texts()).toEqual(['before', 'from Alice, offline']);
    expect(await alice.pending()).toBe('1 pending');
    expect(await alice.articles.last().innerText()).toContain('Pending');
    expect(await alice.articles.first().innerText()).not.toContain('Pending');

    await alice.reload.click();
    await eventually(alice.pending).toBe('1 pending');
    await eventually(alice.texts).toEqual(['before', 'from Alice, offline']);
    expect(await alice.state()).toBe('Offline');
    expect(await alice.network.isChecked()).toBe(false);
    await page.reload();
    await eventually(alice.texts).toEqual(['before', 'from Alice, offline']);
    expect(await alice.network.isChecked()).toBe(false);
    await bob.say('still without her');
    await confirmed(bob);
    expect(await bob.texts()).toEqual(['before', 'from Bob, online', 'still without her']);

    await alice.network.click();
    await bothShow(alice, bob, ['before', 'from Alice, offline', 'from Bob, online', 'still without her']);
    expect(await alice.network.isChecked()).toBe(true);
  });

  it('[DM6] opens no link while the switch is off, and closes the open one at once', async () => {
    const page = await (await scene.browser.newContext()).newPage();
    const links: { readonly isClosed: () => boolean }[] = [];
    page.on('websocket', (link) => links.push(link));
    await page.goto(`${scene.demo.url}pane.html?user=Carol`);
    const network = page.getByRole('switch', { name: 'Network' });
    const state = () => page.getByRole('status').innerText();
    await eventually(state).toBe('Online');
    expect(links.map((link) => link.isClosed())).toEqual([false]);

    await network.click();
    await expect.poll(() => links.map((link) => link.isClosed())).toEqual([true]);
    await page.reload();
    await eventually(state).toBe('Offline');
    await page.getByRole('textbox', { name: 'Message' }).fill('kept here');
    await page.keyboard.press('Enter');
    await page.getByRole('article').waitFor();
    expect(links).toHaveLength(1);
    await network.click();
    await eventually(state).toBe('Online');
    expect(links).toHaveLength(2);
  });

  it('[DM7] shows the history of a restarted relay to a browser that never saw it', async () => {
    const { alice, bob } = await scene.open();
    await alice.say('one');
    await bob.say('two');
    await bothShow(alice, bob, ['one', 'two']);
    for (const context of scene.browser.contexts()) await context.close();
    await scene.restart();
    const cold = await scene.open();
    await bothShow(cold.alice, cold.bob, ['one', 'two']);
  });

  it('[DM8 DM13] meets an emptied relay: takes the new room, sends what was pending, and shows what could not be kept', async () => {
    const { alice, bob } = await scene.open();
    await alice.say('gone with the relay');
    await bothShow(alice, bob, ['gone with the relay']);
    await alice.network.click();
    await alice.say('waits for a relay');
    await alice.articles.first().hover();
    await alice.articles.first().getByRole('button', { name: 'Edit' }).click();
    await alice.field.fill('changed too late');
    await alice.field.press('Enter');
    await eventually(alice.pending).toBe('2 pending');

    await writeFile(join(scene.data, 'notes.txt'), 'not the demo’s');
    await scene.restart(['--fresh']);
    expect(await readdir(scene.data)).toContain('notes.txt');
    await eventually(bob.texts).toEqual([]);
    await alice.network.click();
    await bothShow(alice, bob, ['waits for a relay']);
    const notice = alice.frame.getByRole('alert');
    expect(await notice.innerText()).toContain('row.notFound');
    await notice.getByRole('button', { name: 'Dismiss' }).click();
    await notice.waitFor({ state: 'detached' });
    await alice.reload.click();
    await bothShow(alice, bob, ['waits for a relay']);
    expect(await notice.count()).toBe(0);
  });

  it('[DM9] stays as it is while the relay restarts, and comes back by itself', async () => {
    const { page, alice, bob } = await scene.open();
    await alice.say('before');
    await bothShow(alice, bob, ['before']);
    const frames = page.frames();
    expect(frames).toHaveLength(3);
    for (const frame of frames) await frame.evaluate(() => Object.assign(window, { marker: true }));
    await alice.field.fill('a draft');
    await scene.restart();
    await bob.say('after');
    await bothShow(alice, bob, ['before', 'after']);
    for (const frame of frames) expect(await frame.evaluate(() => 'marker' in window)).toBe(true);
    expect(await alice.field.inputValue()).toBe('a draft');
  });
});

describe('the conversation', () => {
  it('[DM10] can be held by keyboard alone', async () => {
    const { page, alice, bob } = await scene.open();
    await alice.field.focus();
    await page.keyboard.type('first line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second line');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await bothShow(alice, bob, ['first line\nsecond line']);
    await bob.say('words of Bob');
    await alice.say('a slip');
    await eventually(bob.texts).toHaveLength(3);

    // Backwards from the field: what can be done with the newest, then the log, then the header.
    const focused = (): Promise<string | null> =>
      alice.frame.locator(':focus').evaluate((element) => element.ariaLabel ?? (element.closest('label') ?? element).textContent);
    await alice.field.focus();
    const stops: (string | null)[] = [];
    for (let step = 0; step < 6; step++) {
      await page.keyboard.press('Shift+Tab');
      stops.push(await focused());
    }
    expect(stops).toEqual(['Delete', 'Edit', 'Conversation', 'Reload', 'Network', 'Open another tab as Alice']);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await eventually(alice.state).toBe('Offline');
    await page.keyboard.press('Space');
    await confirmed(alice);

    // Up leads to the own message before; Escape leaves it as it was.
    for (let step = 0; step < 3; step++) await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    expect(await alice.field.inputValue()).toBe('first line\nsecond line');
    await page.keyboard.press('Escape');
    expect(await alice.field.inputValue()).toBe('');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await bothShow(alice, bob, ['first line\nsecond line', 'words of Bob']);
    expect(await focused()).toBe('Conversation');
  });

  it('[DM12] lets its author change and delete a message, offline too', async () => {
    const { alice, bob } = await scene.open();
    await alice.say('teh first');
    await alice.say('the second');
    await bothShow(alice, bob, ['teh first', 'the second']);
    expect(await bob.articles.getByRole('button').count()).toBe(0);

    await alice.network.click();
    await alice.articles.first().hover();
    await alice.articles.first().getByRole('button', { name: 'Edit' }).click();
    await alice.field.fill('the first');
    await alice.frame.getByRole('button', { name: 'Save' }).click();
    await alice.articles.last().hover();
    await alice.articles.last().getByRole('button', { name: 'Delete' }).click();
    await eventually(alice.texts).toEqual(['the first']);
    expect(await alice.pending()).toBe('2 pending');
    expect(await bob.texts()).toEqual(['teh first', 'the second']);
    await alice.network.click();
    await bothShow(alice, bob, ['the first']);
    expect((await bob.whole())[0]).toContain('edited');
  });

  it('[DM13] keeps a text that is refused, and says why', async () => {
    const { alice } = await scene.open();
    await confirmed(alice);
    await alice.field.fill('x'.repeat(1001));
    await alice.field.press('Enter');
    await alice.frame.getByText('chat.tooLong').waitFor();
    expect(await alice.field.inputValue()).toHaveLength(1001);
    expect(await alice.field.getAttribute('aria-invalid')).toBe('true');
    await alice.field.fill('shorter');
    expect(await alice.frame.getByText('chat.tooLong').count()).toBe(0);
    expect(await alice.articles.count()).toBe(0);
  });

  it('[DM14] follows the newest message, unless the reader has scrolled up', async () => {
    const { alice, bob } = await scene.open();
    for (let number = 1; number <= 15; number++) await alice.say(`message number ${number}.`);
    await eventually(bob.texts).toHaveLength(15);
    const toEnd = (pane: Pane) => pane.log.evaluate((log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
    await eventually(() => toEnd(bob)).toBe(0);

    await bob.log.evaluate((log) => log.scrollTo(0, 60));
    await alice.say('while Bob reads above');
    await bob.frame.getByRole('button', { name: '1 new' }).waitFor();
    expect(await bob.log.evaluate((log) => log.scrollTop)).toBe(60);
    await bob.frame.getByRole('button', { name: '1 new' }).click();
    await eventually(() => toEnd(bob)).toBe(0);
    await alice.say('and now he is at the end');
    await eventually(bob.texts).toHaveLength(17);
    await eventually(() => toEnd(bob)).toBe(0);
  });

  it('[DM11] fits a phone: nothing to be scrolled sideways, everything within reach', async () => {
    const { page, alice, bob } = await scene.open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await alice.say(`a-word-without-end-${'x'.repeat(120)}`);
    await bob.say('and a sentence that is long enough for two lines at least');
    await eventually(alice.texts).toHaveLength(2);
    for (const frame of page.frames()) {
      expect(await frame.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
    }
    for (const pane of [alice, bob]) {
      expect(await pane.log.evaluate((log) => log.scrollWidth - log.clientWidth)).toBe(0);
      for (const control of [pane.field, pane.send, pane.network, pane.reload, pane.anotherTab]) {
        const { x, width } = (await control.boundingBox()) ?? { x: -1, width: 0 };
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x + width).toBeLessThanOrEqual(360);
      }
    }
    await bob.network.tap();
    await eventually(bob.state).toBe('Offline');
  });
});

describe('the server', () => {
  it('[DM15] takes a free port when its own is taken, says so, and says where the data is', async () => {
    const second = await scene.start(['--port', scene.demo.port]);
    expect(second.port).not.toBe(scene.demo.port);
    expect(second.output).toContain(`Port ${scene.demo.port} is taken`);
    expect(second.output).toContain(join(scene.data, 'relay.db'));
    expect((await fetch(`${second.url}healthz`)).status).toBe(200);
  });

  it('[DM16] ends with code 0 when it is asked to, pages open or not, and with 1 when it cannot begin', async () => {
    const { alice } = await scene.open();
    await confirmed(alice);
    expect(await scene.demo.stop('SIGINT')).toBe(0);
    expect(await runDemo(['--port', 'many'])).toMatchObject({ code: 1, output: expect.stringContaining('--port') });
    await writeFile(join(scene.data, 'file'), '');
    expect(await runDemo(['--port', '0', '--data', join(scene.data, 'file')])).toMatchObject({ code: 1 });
  });
});

// In files of their own; called here, because test files run side by side and the page is built once.
describeBot(scene);
describeTabs(scene);
