import { createStore, type Access, type ClientStorage } from 'cotable';
import { memoryClientStorage, memoryRelayDisk, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RelayStorage } from 'cotable/relay';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { onTestFinished, vi } from 'vitest';
import { mutatorsWith, schema, turns, type Act, type S, type TestStore } from '../spec/support.ts';
import { createTabNet, type TabNet } from '../tabs/tab-net.ts';
import { tap, type Tap } from './wire.ts';

/** So many turns of the event loop, and all is done that waits for nothing but a turn. */
const QUIET = 40;

/** Tabs and devices with a relay, as they are in production, and a clock that stands still unless it is told to go on. */
export interface Exact {
  readonly hub: MemoryHub;
  readonly net: TabNet;
  /** What the tabs of alice share. */
  readonly disk: ClientStorage;
  /** What the relay keeps. */
  readonly storage: RelayStorage;
  /** Opens a tab of alice, on the shared disk unless said otherwise; `name` is that of its line and of its ear. */
  open(name: string, parts?: ExactParts): ExactTab;
  /** Lets happen all that waits for no timer. */
  settle(): Promise<void>;
  /** Lets time pass, and happen what is due in it. */
  pass(ms: number): Promise<void>;
  goOffline(...names: readonly string[]): Promise<void>;
  comeBack(...names: readonly string[]): Promise<void>;
  /** Others write so much that a newcomer gets a snapshot of all that was accepted before. */
  fill(): Promise<void>;
  /** The device loses its documents, and nothing else. */
  forget(): Promise<void>;
  /** The relay ends and begins anew on the same disk. */
  restart(access?: Access<S>): Promise<void>;
}

export interface ExactTab {
  readonly store: TestStore;
  readonly line: Tap;
}

export interface ExactParts {
  readonly userId?: string;
  readonly act?: Act;
  readonly storage?: ClientStorage;
  readonly schemaVersion?: number;
  /** Without a way to other tabs. */
  readonly isAlone?: boolean;
  /** Without a way to any relay. */
  readonly isOwnAuthority?: boolean;
}

export interface RelayParts {
  readonly access?: Access<S>;
  /** Puts something between relay and storage. */
  readonly storage?: (kept: RelayStorage) => RelayStorage;
}

export async function createExact(act?: Act, parts: RelayParts = {}): Promise<Exact> {
  // Turns of the event loop stay real.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_750_000_000_000 });
  const hub = memoryHub();
  const net = createTabNet();
  const disk = memoryClientStorage({ durable: true });
  const relayDisk = memoryRelayDisk();
  const stores = new Set<TestStore>();
  let storage = memoryRelayStorage(relayDisk);
  let relay = start(parts.access);
  onTestFinished(async () => {
    const closed = Promise.all([...stores].map((store) => store.close()).concat(relay.close()));
    await pass(60_000);
    vi.useRealTimers();
    await closed;
  });

  function start(access?: Access<S>): ReturnType<typeof createRelay> {
    storage = memoryRelayStorage(relayDisk);
    const backend = { schema, mutators: mutatorsWith(act), access };
    return createRelay({ backend, storage: parts.storage?.(storage) ?? storage, acceptors: [hub.acceptor()] });
  }

  async function settle(): Promise<void> {
    for (let n = 0; n < 4; n++) {
      await turns(QUIET / 4);
      vi.advanceTimersByTime(0);
    }
    await turns(QUIET);
  }

  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      vi.advanceTimersByTime(Math.min(50, left));
      await turns(ms > 5_000 ? 4 : QUIET / 2);
    }
    await settle();
  }

  return {
    hub,
    net,
    disk,
    get storage() {
      return storage;
    },
    settle,
    pass,
    open(name, options = {}) {
      const line = tap(hub.transport(name));
      const store = createStore({
        schema: { ...schema, schemaVersion: options.schemaVersion ?? 1 },
        mutators: mutatorsWith(options.act ?? act),
        room: 'room',
        storage: options.storage ?? disk,
        transports: [...(options.isOwnAuthority ? [] : [line.transport]), ...(options.isAlone ? [] : [net.transport(name)])],
        userId: options.userId ?? 'alice',
      });
      stores.add(store);
      return { store, line };
    },
    async goOffline(...names) {
      for (const name of names) hub.setAvailable(name, false);
      await settle();
    },
    async comeBack(...names) {
      for (const name of names) hub.setAvailable(name, false);
      for (const name of names) hub.setAvailable(name, true);
      // Time for a second handshake, and for nobody to be taken for gone.
      await pass(1_500);
    },
    async fill() {
      const made = Array.from({ length: 201 }, (_, n) => relay.mutate('room', 'count', { id: `n${n}` }));
      await settle();
      await Promise.all(made);
    },
    async forget() {
      const database = await disk.open('alice/room');
      await database.write({ delete: [['base']], deletePrefix: [['doc'], ['log']] });
    },
    async restart(access) {
      await relay.close();
      relay = start(access);
      await pass(1_500);
    },
  };
}
