import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createStore } from 'cotable';
import { memoryClientStorage } from 'cotable/adapters/memory';
import { sqlite } from 'cotable/adapters/sqlite';
import { createRelay, type Relay, type RelayStorage } from 'cotable/relay';
import { webSocket } from 'cotable/transports/websocket';
import { chromium, type Browser, type BrowserContext, type CDPSession, type Page } from 'playwright';
import { expect } from 'vitest';
import { build, type Rolldown } from 'vite';
import { WebSocket } from 'ws';
import { mutators, schema } from '../fixtures/notes.mjs';
import { foldLog } from '../property/oracle.mjs';
import { CHROMIUM } from './demo-harness.ts';
import type { ShownStatus } from './device-page.ts';

/** A page with a store of a user in it. Each user has a room of their own. */
export interface Device {
  readonly page: Page;
  readonly cdp: CDPSession;
  readonly ready: Promise<{ readonly ms: number; readonly error: string | undefined }>;
  status(): Promise<ShownStatus>;
  statuses(): Promise<readonly ShownStatus[]>;
  ids(): Promise<readonly string[]>;
  write(id: string, length?: number): Promise<{ readonly id: string; readonly stored: string }>;
  confirmed(): Promise<void>;
  /** Level, and nothing is pending. */
  level(): Promise<void>;
  /** Without a way to the relay, and done with its disk for now. */
  idle(): Promise<void>;
  /** Loads it again: it is a new open of the store then. */
  reload(): Promise<Device>;
}

export interface DeviceScene {
  readonly origin: string;
  readonly browser: Browser;
  /** Of all pages: what was stored on a device, by the ids of the mutations. */
  readonly told: { readonly stored: Set<string> };
  newContext(): Promise<BrowserContext>;
  /** A browser with a profile on disk, whose user lets this site keep what it writes. */
  trustingContext(): Promise<BrowserContext>;
  /** `isOffline`: there is no relay where it looks for one. */
  open(context: BrowserContext, user: string, isOffline?: boolean): Promise<Device>;
  /** A page of the same site, with no store in it. */
  blank(context: BrowserContext): Promise<Page>;
  /** Writes so many notes as another client would. */
  writeFromElsewhere(user: string, count: number): Promise<void>;
  /** The processes that show pages. */
  renderers(): Promise<readonly number[]>;
  /** The ids of what is in the log of a user's room, in its order. */
  log(user: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 20_000, interval: 20 });

export async function openDeviceScene(): Promise<DeviceScene> {
  const folder = await mkdtemp(join(tmpdir(), 'cotable-devices-'));
  const storage = sqlite(join(folder, 'relay.db'));
  const relay: Relay<typeof schema> = createRelay({ backend: { schema, mutators }, storage });
  const { url } = await relay.listen();
  const server = await serve(await bundle());
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  // A page that has just been opened has a process of its own then, and none that was kept ready for it.
  const args = [...CHROMIUM.args, '--disable-features=SpareRendererForSitePerProcess'];
  const browser = await chromium.launch({ ...CHROMIUM, args });
  const told = { stored: new Set<string>() };
  const contexts: BrowserContext[] = [];

  async function prepared(context: BrowserContext): Promise<BrowserContext> {
    contexts.push(context);
    await context.exposeBinding('report', (_, id: string) => void told.stored.add(id));
    return context;
  }

  async function deviceOf(page: Page): Promise<Device> {
    await page.waitForFunction(() => 'device' in window);
    const status = (): Promise<ShownStatus> => page.evaluate(() => window.device.status);
    return {
      page,
      cdp: await page.context().newCDPSession(page),
      ready: page.evaluate(() => window.device.ready),
      status,
      statuses: () => page.evaluate(() => window.device.statuses),
      ids: () => page.evaluate(() => window.device.ids),
      write: (id, length) => page.evaluate(([text, size]) => window.device.write(text, size), [id, length] as const),
      confirmed: () => page.evaluate(() => window.device.confirmed()),
      level: async () => void (await eventually(status).toMatchObject({ state: 'online', pending: 0 })),
      async idle() {
        const state = () => page.evaluate(() => [window.device.status.state, window.device.transactions] as const);
        await eventually(state).toEqual(['offline', 0]);
      },
      async reload() {
        await page.reload();
        return deviceOf(page);
      },
    };
  }

  return {
    origin,
    browser,
    told,
    newContext: async () => prepared(await browser.newContext()),
    async trustingContext() {
      const context = await prepared(await chromium.launchPersistentContext(join(folder, 'profile'), { ...CHROMIUM, args }));
      const cdp = await context.newCDPSession(await context.newPage());
      await cdp.send('Browser.grantPermissions', { permissions: ['durableStorage'], origin });
      return context;
    },
    async open(context, user, isOffline = false) {
      const page = await context.newPage();
      // Nothing listens at the port of discarding.
      const query = new URLSearchParams({ user, relay: isOffline ? 'ws://localhost:9/' : url });
      await page.goto(`${origin}/device?${query}`);
      return deviceOf(page);
    },
    async blank(context) {
      const page = await context.newPage();
      await page.goto(`${origin}/blank`);
      return page;
    },
    async writeFromElsewhere(user, count) {
      const parts = { schema, mutators, room: user, userId: user, storage: memoryClientStorage() };
      const store = createStore({ ...parts, transports: [webSocket(url, { WebSocket })] });
      const made = await Promise.all(Array.from({ length: count }, (_, n) => store.mutate.write({ id: `e${n % 100}`, text: `${n}` })));
      await Promise.all(made.map(({ confirmed }) => confirmed));
      await store.close();
    },
    async renderers() {
      const cdp = await browser.newBrowserCDPSession();
      const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
      await cdp.detach();
      return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    },
    log: (user) => logOf(storage, user),
    async close() {
      for (const context of contexts) await context.close();
      await browser.close();
      await relay.close();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function logOf(storage: RelayStorage, room: string): Promise<readonly string[]> {
  const { mutations } = foldLog(await storage.entries(room, 0, 1_000_000));
  return mutations.map((name) => {
    const [replica, counter] = name.split('.');
    return `${Number(replica).toString(36)}-${counter}`;
  });
}

async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    root: fileURLToPath(new URL('../..', import.meta.url)),
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    build: { write: false, target: 'es2023', rolldownOptions: { input: fileURLToPath(new URL('device-page.ts', import.meta.url)) } },
  });
  const { output } = (Array.isArray(built) ? built[0] : built) as Rolldown.RolldownOutput;
  const [chunk] = output;
  return chunk.code;
}

async function serve(script: string): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const isDevice = url.startsWith('/device?');
    response.setHeader('content-type', url === '/page.js' ? 'text/javascript' : 'text/html; charset=utf-8');
    const body = `<!doctype html><title>device</title><link rel="icon" href="data:,">`;
    response.end(url === '/page.js' ? script : body + (isDevice ? '<script type="module" src="/page.js"></script>' : ''));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
