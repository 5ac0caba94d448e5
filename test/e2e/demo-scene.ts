import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { buildPage, openBrowser, paneIn, paneOf, startDemo, TIMEOUT_MS, type Demo, type Pane } from './demo-harness.ts';

/** A client that has a page to itself. */
export interface TabPane extends Pane {
  readonly page: Page;
}

/** A demo of its own for each test, and a browser for all. */
export interface DemoScene {
  readonly browser: Browser;
  /** The relay's data of this test. */
  readonly data: string;
  readonly demo: Demo;
  /** Starts another demo on the same data; it ends with the test. */
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Demo>;
  /** Ends the demo, and starts it where it was. */
  restart(args?: readonly string[], env?: Readonly<Record<string, string>>): Promise<void>;
  /** A person with a browser of their own: nothing in it yet. */
  open(options?: BrowserContextOptions): Promise<{ readonly page: Page; readonly alice: Pane; readonly bob: Pane }>;
  /** A client in a tab: of the browser of `beside`, or of a new one. */
  openTab(user: string, beside?: Page): Promise<TabPane>;
}

/** Builds the page and registers what surrounds each test of this file. Scripts of the pages must throw nothing. */
export function demoScene(): DemoScene {
  let browser: Browser;
  let data: string;
  let demo: Demo;
  const running = new Set<Demo>();
  const pageErrors: string[] = [];

  beforeAll(async () => {
    await buildPage();
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'cotable-demo-'));
    demo = await start(['--port', '0']);
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const one of running) await one.stop();
    running.clear();
    await rm(data, { recursive: true, force: true });
    expect(pageErrors.splice(0)).toEqual([]);
  });

  async function start(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Demo> {
    const started = await startDemo(['--data', data, ...args], env);
    running.add(started);
    return started;
  }

  async function newBrowser(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await browser.newContext(options);
    context.on('weberror', (error) => pageErrors.push(error.error().message));
    return context;
  }

  return {
    get browser() {
      return browser;
    },
    get data() {
      return data;
    },
    get demo() {
      return demo;
    },
    start,
    async restart(args = [], env) {
      expect(await demo.stop()).toBe(0);
      demo = await start(['--port', demo.port, ...args], env);
    },
    async open(options = {}) {
      const page = await (await newBrowser(options)).newPage();
      await page.goto(demo.url);
      return { page, alice: paneOf(page, 'Alice'), bob: paneOf(page, 'Bob') };
    },
    async openTab(user, beside) {
      const page = await (beside?.context() ?? (await newBrowser())).newPage();
      await page.goto(`${demo.url}pane.html?user=${user}`);
      return tabIn(page);
    },
  };
}

export const tabIn = (page: Page): TabPane => ({ ...paneIn(page), page });

export const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: TIMEOUT_MS });

/** Nothing is on its way any more. */
export async function confirmed(pane: Pane): Promise<void> {
  await eventually(pane.state).toBe('Online');
  await eventually(pane.pending).toBe('0 pending');
}

/** Both panes show these messages, alike in all that stands in them. */
export function bothShow(alice: Pane, bob: Pane, texts: readonly string[]): Promise<void> {
  return allShow([alice, bob], texts);
}

/** These panes show these messages, each once, alike in all that stands in them, and nothing is pending. */
export async function allShow(panes: readonly Pane[], texts: readonly string[]): Promise<void> {
  for (const pane of panes) {
    await eventually(pane.texts).toEqual(texts);
    await confirmed(pane);
  }
  const [first, ...others] = await Promise.all(panes.map((pane) => pane.whole()));
  for (const other of others) expect(other).toEqual(first);
}
