import { createStore, type ClientStorage, type TabTransport, type Transport } from 'cotable';
import { memoryClientStorage, memoryRelayStorage } from 'cotable/adapters/memory';
import { createRelay, type RelayStorage } from 'cotable/relay';
import { broadcastChannel } from 'cotable/transports/broadcast-channel';
import { memoryHub, type MemoryHub } from 'cotable/transports/memory';
import { onTestFinished } from 'vitest';
import { mutatorsWith, schema, type Act, type TestStore } from '../spec/support.ts';

/** Tabs of one device: they share a disk and a channel, and each has a line of its own to the relay. */
export interface Scene {
  /** What the tabs share, unless a tab is given its own. */
  readonly disk: ClientStorage;
  readonly tabs: TabTransport;
  /** Opens a tab; `name` is that of its line to the relay. */
  open(name: string, parts?: TabParts): TestStore;
}

export interface RelayScene extends Scene {
  readonly hub: MemoryHub;
  readonly storage: RelayStorage;
  /** A tab without a way to the relay until `comeBack(name)`. */
  openOffline(name: string, parts?: TabParts): TestStore;
  goOffline(...names: readonly string[]): void;
  comeBack(...names: readonly string[]): void;
}

export interface TabParts {
  readonly userId?: string | undefined;
  readonly act?: Act;
  readonly storage?: ClientStorage;
  readonly tabs?: TabTransport;
  readonly schemaVersion?: number;
  readonly room?: string;
}

function createScene(lines: (name: string) => readonly Transport[], defaultUser: string | undefined, defaultAct?: Act): Scene {
  const disk = memoryClientStorage({ durable: true });
  const tabs = broadcastChannel({ prefix: crypto.randomUUID() });
  const stores = new Set<TestStore>();
  onTestFinished(async () => void (await Promise.all([...stores].map((store) => store.close()))));
  return {
    disk,
    tabs,
    open(name, parts = {}) {
      const store = createStore({
        schema: { ...schema, schemaVersion: parts.schemaVersion ?? 1 },
        mutators: mutatorsWith(parts.act ?? defaultAct),
        room: parts.room ?? 'room',
        storage: parts.storage ?? disk,
        transports: [...lines(name), parts.tabs ?? tabs],
        userId: 'userId' in parts ? parts.userId : defaultUser,
      });
      stores.add(store);
      return store;
    },
  };
}

/** Tabs with a relay, all of the user `alice` unless said otherwise. */
export function createRelayScene(act?: Act): RelayScene {
  const hub = memoryHub();
  const storage = memoryRelayStorage();
  const relay = createRelay({ backend: { schema, mutators: mutatorsWith(act) }, storage, acceptors: [hub.acceptor()] });
  onTestFinished(() => relay.close());
  const scene: RelayScene = {
    ...createScene((name) => [hub.transport(name)], 'alice', act),
    hub,
    storage,
    openOffline(name, parts) {
      scene.goOffline(name);
      return scene.open(name, parts);
    },
    goOffline(...names) {
      for (const name of names) hub.setAvailable(name, false);
    },
    comeBack(...names) {
      for (const name of names) {
        hub.setAvailable(name, false);
        hub.setAvailable(name, true);
      }
    },
  };
  return scene;
}

/** Tabs without any relay. */
export function createAloneScene(act?: Act): Scene {
  return createScene(() => [], undefined, act);
}
