import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium, type Browser, type Locator, type Page } from 'playwright';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Long enough for a store that waits between its tries to reach a relay. */
export const TIMEOUT_MS = 30_000;

/** A demo that runs in a process of its own. */
export interface Demo {
  /** Its page, with a slash at the end. */
  readonly url: string;
  readonly port: string;
  /** What it printed until it was ready. */
  readonly output: string;
  readonly pid: number;
  /** Asks it to end as a user or a supervisor does; its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Builds the page as `npm run demo` does; the server was built with the library. */
export async function buildPage(): Promise<void> {
  const args = ['node_modules/vite/bin/vite.js', 'build', '--config', 'demo/vite.config.ts', '--logLevel', 'warn'];
  // Under Vitest's own NODE_ENV it would be React's development build.
  await promisify(execFile)(process.execPath, args, { cwd: root, env: { ...process.env, NODE_ENV: 'production' } });
}

/** Starts the demo and waits for the line that says where it is. `env`: what its bot finds in the environment. */
export async function startDemo(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Demo> {
  const child = spawnDemo(args, env);
  const { output, url } = await readyLine(child);
  return {
    url,
    port: new URL(url).port,
    output,
    pid: child.pid ?? 0,
    async stop(signal = 'SIGTERM') {
      const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.kill(signal);
      await exit;
      return child.exitCode;
    },
  };
}

/** Runs the demo to its end: for what ends by itself. */
export async function runDemo(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawnDemo(args);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return { code: child.exitCode, output };
}

function spawnDemo(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  // A model that the developer uses is not for tests.
  const noModel = { OPENAI_BASE_URL: '', OPENAI_API_KEY: '', OPENAI_MODEL: '' };
  return spawn(process.execPath, ['dist/demo/server/main.js', ...args], {
    cwd: root,
    env: { ...process.env, ...noModel, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function readyLine(child: ChildProcess): Promise<{ readonly output: string; readonly url: string }> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (text: string): void => {
      output += text;
      const url = /^Demo: (http:\S+)$/m.exec(output)?.[1];
      if (url && output.endsWith('\n')) resolve({ output, url });
    };
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', read);
    child.on('exit', (code) => reject(new Error(`the demo ended with ${code}: ${output}`)));
  });
}

/** The system's Chromium, or that of `COTABLE_CHROMIUM`. The switches let it run as root and keep it off the network. */
export const CHROMIUM = {
  executablePath: process.env['COTABLE_CHROMIUM'] ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--headless',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ],
};

export function openBrowser(): Promise<Browser> {
  return chromium.launch(CHROMIUM);
}

/** Where a client is shown: a page of its own, or a frame in one. */
type Place = Pick<Page, 'locator' | 'getByRole' | 'getByText'>;

/** One client as a reader sees it: by roles and names. */
export interface Pane {
  readonly field: Locator;
  readonly send: Locator;
  readonly log: Locator;
  readonly articles: Locator;
  readonly network: Locator;
  readonly reload: Locator;
  readonly anotherTab: Locator;
  readonly frame: Place;
  /** The texts of the messages, from the top, without names and times. */
  texts(): Promise<string[]>;
  /** All that stands in the messages. */
  whole(): Promise<string[]>;
  state(): Promise<string>;
  /** As it is shown: `1 pending`. */
  pending(): Promise<string>;
  /** Writes a message and waits until it stands in the log. */
  say(text: string): Promise<void>;
}

/** That of a user, in the page that shows two. */
export function paneOf(page: Page, user: string): Pane {
  return paneIn(page.frameLocator(`iframe[title="${user}"]`));
}

export function paneIn(frame: Place): Pane {
  const log = frame.getByRole('log');
  const articles = log.getByRole('article');
  const field = frame.getByRole('textbox', { name: 'Message', exact: true });
  return {
    frame,
    field,
    log,
    articles,
    send: frame.getByRole('button', { name: 'Send', exact: true }),
    network: frame.getByRole('switch', { name: 'Network', exact: true }),
    reload: frame.getByRole('button', { name: 'Reload', exact: true }),
    anotherTab: frame.getByRole('link', { name: /^Open another tab as / }),
    texts: () => articles.locator('.text').allTextContents(),
    whole: () => articles.allInnerTexts(),
    state: () => frame.getByRole('status').innerText(),
    pending: () => frame.getByText(/^\d+ pending$/).innerText(),
    async say(text) {
      await field.fill(text);
      await field.press('Enter');
      await articles.filter({ hasText: text }).last().waitFor();
    },
  };
}
