import type { BackendConfig, NoPlatform } from '../relay/backend.ts';
import type { Platform } from '../relay/platform.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { Store } from '../store/types.ts';
import { appVersion } from './app-version.ts';
import { createDice } from './dice.ts';
import type { Outside } from './outside.ts';
import { settle } from './settle.ts';
import { calmWeather } from './weather.ts';
import { createWorld, type Tab } from './world.ts';

export interface TestClusterOptions<S extends AnySchema, P extends Platform = NoPlatform> {
  readonly backend: BackendConfig<S, P>;
  /** What actions call outside: takes the place of the backend's capabilities of the same names. */
  readonly platform?: (outside: Outside) => NoInfer<Partial<P>>;
  /** Decides every name and delay: equal seeds give equal runs. Default 1. */
  readonly seed?: number;
}

export interface TestStoreOptions {
  readonly userId: string;
  /** Shown to `authenticate` of the backend. */
  readonly token?: () => string | Promise<string>;
  /** Default: `'room'`. */
  readonly room?: string;
  /** Where it keeps what it writes; stores of one device and user are its tabs. Default: the user's id. */
  readonly device?: string;
}

/**
 * A relay and stores as they are in production, on a network, disks and a clock that are simulated. Nothing happens
 * between the calls below: messages arrive, disks write and timers fire only while one of those that return a promise runs.
 * So make mutations, then `settle()`, and await a receipt's `stored` or `confirmed` only after that.
 */
export interface TestCluster<S extends AnySchema> {
  /** Opens a store; resolves when it is ready. */
  store(options: TestStoreOptions): Promise<Store<S>>;
  readonly network: {
    /** Breaks the links of a device (left out: of all). What was in flight is lost; stores try again by themselves. */
    cut(device?: string): void;
    /** What is sent from and to the device stays in flight until `release`. */
    hold(device: string): void;
    release(device: string): void;
    /** Whether the device can reach the relay; open links stay until they are cut. */
    setReachable(device: string, reachable: boolean): void;
  };
  readonly clock: {
    /** Simulated milliseconds since 1970. */
    now(): number;
    /** Lets time pass, and happen what is due in it. */
    advance(ms: number): Promise<void>;
  };
  /**
   * `'relay'`: its process vanishes with all that was not synced, and starts again on the same disk. A store: its tab
   * vanishes, nothing is closed, and what had not reached the disk is lost; open it again with `store`.
   */
  crash(what: 'relay' | Store<S>): Promise<void>;
  /**
   * The device loses all it has stored, as when a browser evicts a site's data. Stores that are open there go on in memory
   * (`status.durable` is `false`); those that open later find nothing. What was pending in a store that is not open is gone.
   */
  evict(device: string): Promise<void>;
  /**
   * Lets time pass until every store is online with nothing pending, nothing is on its way, and no run is at work, due or
   * between attempts. Rejects, saying what is not so, after 15 minutes of simulated time: while a device is held, say.
   */
  settle(): Promise<void>;
  /** Closes the stores. */
  close(): Promise<void>;
}

/** Throws `schema.invalid` when a mutator is missing. */
export async function createTestCluster<S extends AnySchema, P extends Platform = NoPlatform>(
  options: TestClusterOptions<S, P>,
): Promise<TestCluster<S>> {
  const dice = createDice(options.seed ?? 1);
  const nothing = (): void => undefined;
  const world = createWorld({
    versions: [appVersion(options.backend)],
    dice: dice.fork(),
    hasTabBus: true,
    platform: options.platform as ((outside: Outside) => Platform) | undefined,
    weather: calmWeather(dice.fork()),
    events: {
      arrived: nothing,
      heard: nothing,
      denied: nothing,
      lost: nothing,
      dropped: nothing,
      timer: nothing,
      sent: nothing,
      kept: nothing,
      forgotten: nothing,
      revived: nothing,
      reverted: nothing,
      folded: nothing,
      loaded: nothing,
      synced: nothing,
      failed: nothing,
      trouble: nothing,
      runs: {
        accepted: nothing,
        queued: nothing,
        claimed: nothing,
        renewed: nothing,
        released: nothing,
        freed: nothing,
        canceled: nothing,
        stepKept: nothing,
      },
    },
  });
  const { schedule, network } = world;
  const tabs = new Map<Store<S>, Tab>();
  world.startRelay();

  /** Goes on until a promise has settled, and settles as it does. */
  async function until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => void (isSettled = true);
    promise.then(done, done);
    await schedule.drain();
    while (!isSettled && schedule.due < Infinity) await schedule.next();
    return promise;
  }

  return {
    async store({ userId, room = 'room', device = userId, token }) {
      const tab = world.open(world.device(device), userId, room, { token });
      // Within, tables and inputs are plain JSON; which types they have is known only out here.
      const opened: unknown = tab.store;
      const store = opened as Store<S>;
      tabs.set(store, tab);
      await until(store.ready);
      return store;
    },
    network: {
      cut: (device) => void network.cut(device),
      hold: network.hold,
      release: network.release,
      setReachable: (device, reachable) => network.refuse(device, !reachable),
    },
    clock: {
      now: () => schedule.now,
      async advance(ms) {
        const end = schedule.now + ms;
        await schedule.drain();
        while (schedule.due <= end) await schedule.next();
        schedule.skipTo(end);
      },
    },
    async crash(what) {
      if (what === 'relay') {
        world.crashRelay();
        world.startRelay();
      } else {
        const tab = tabs.get(what);
        if (tab) world.crash(tab);
        tabs.delete(what);
      }
      await schedule.drain();
    },
    async evict(device) {
      world.device(device).evict();
      await schedule.drain();
    },
    async settle() {
      await schedule.drain();
      await settle(world, schedule.next);
    },
    async close() {
      for (const [store, tab] of tabs) {
        await until(store.close());
        world.closed(tab);
      }
      tabs.clear();
    },
  };
}
