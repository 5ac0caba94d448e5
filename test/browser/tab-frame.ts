import { expect, onTestFinished } from 'vitest';
import type { TabOptions, TabPage } from './tab-page.ts';

/** A tab: a page of its own with a store, in a frame. */
export interface Tab {
  /** What is there now. */
  readonly page: TabPage;
  /** The texts of the rows, by key. */
  texts(): string[];
  /** Loads the page again, as a user does: nothing is closed before. */
  reload(): Promise<void>;
  /** Ends the page as a closed tab ends: its store is told nothing. */
  kill(): void;
}

/** Opens one; it ends with the test. Resolves when its store is ready. */
export async function openTab(options: TabOptions): Promise<Tab> {
  const frame = document.createElement('iframe');
  Object.assign(frame.dataset, options);
  frame.srcdoc = `<script type="module" src="${new URL('./tab-page.ts', import.meta.url).href}"></script>`;
  document.body.append(frame);
  onTestFinished(() => frame.remove());
  let page = await nextPage(undefined);

  async function nextPage(before: TabPage | undefined): Promise<TabPage> {
    const now = (): TabPage | undefined => frame.contentWindow?.tab;
    await expect.poll(() => now() !== undefined && now() !== before, { timeout: 10_000 }).toBe(true);
    const next = now() as TabPage;
    await next.store.ready;
    return next;
  }

  return {
    get page() {
      return page;
    },
    texts: () =>
      page.store
        .table('notes')
        .list()
        .map(({ text }) => text),
    async reload() {
      frame.contentWindow?.location.reload();
      page = await nextPage(page);
    },
    kill: () => frame.remove(),
  };
}
