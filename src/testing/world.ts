import { memoryClientStorage } from '../../adapters/memory/client-storage.ts';
import type { Logger } from '../ports/logger.ts';
import { DEFAULT_LIMITS, type Limits } from '../relay/limits.ts';
import type { Platform } from '../relay/platform.ts';
import { createRelayOf } from '../relay/relay.ts';
import type { AnySchema } from '../schema/schema.ts';
import { createStoreOf } from '../store/store.ts';
import type { Store } from '../store/types.ts';
import type { AppVersion } from './app-version.ts';
import { createDevice, type Device, type DeviceEvents } from './device.ts';
import type { Dice } from './dice.ts';
import type { Dropped } from './disk-queue.ts';
import { createNetwork, type Network } from './network.ts';
import { createOutside, type Outside } from './outside.ts';
import { createRelayDisk, type RelayDisk } from './relay-disk.ts';
import type { RunEvents } from './run-ledger.ts';
import { createPartyClock, createSchedule, type Party, type Schedule } from './schedule.ts';
import { createTabBus } from './tab-bus.ts';
import type { Weather } from './weather.ts';

/** Some Tuesday in 2025. */
const START = 1_750_000_000_000;

/** What happens in a world, besides what its stores say. */
export interface WorldEvents extends DeviceEvents {
  /** `isUp`: at the relay. `isLate`: over a link that the tab has given up. */
  arrived(message: Uint8Array, isUp: boolean, isLate: boolean): void;
  /** A tab has heard something from another one. */
  heard(message: unknown): void;
  /** A message will not arrive. */
  lost(): void;
  timer(): void;
  /** What became of reads and writes that a disk was not done with when their owner crashed. */
  dropped(calls: Dropped): void;
  sent(tab: Party, link: object, isUp: boolean, message: Uint8Array): void;
  /** The relay's disk has changed. */
  synced(): void;
  /** The relay has refused a mutation. */
  denied(): void;
  /** A call of the relay's disk was let fail. */
  failed(): void;
  /** The relay has thrown a room out of memory, or the like. */
  trouble(message: string, fields: Readonly<Record<string, unknown>>): void;
  readonly runs: RunEvents;
}

/** One open of a store. */
export interface Tab {
  readonly party: Party;
  readonly device: Device;
  readonly userId: string;
  readonly store: Store<AnySchema>;
  /** Which version of the app its page is of. */
  readonly version: number;
}

/** Stores and a relay as they are in production, on links, disks and clocks that are simulated. */
export interface World {
  readonly schedule: Schedule;
  readonly network: Network;
  readonly relayDisk: RelayDisk;
  /** Those that are open. */
  readonly tabs: readonly Tab[];
  /** Made on first mention. */
  device(name: string): Device;
  open(device: Device, userId: string, room: string, options?: OpenOptions): Tab;
  /** The tab vanishes: nothing is closed, and what was not on disk yet may be lost. */
  crash(tab: Tab): void;
  /** Takes a tab that was closed off the list. */
  closed(tab: Tab): void;
  /** The power of a device fails: its tabs vanish, and of its last writes, though they were answered, some never were. Returns how many. */
  powerCut(device: Device): number;
  readonly isRelayUp: boolean;
  /** How far the relay's clock is ahead. */
  readonly relaySkew: number;
  startRelay(clockSkew?: number, version?: number): void;
  /** The relay's process vanishes, and what was not synced with it. */
  crashRelay(): void;
  /** Whether every tab is level with nothing pending, and nothing is on its way anywhere. */
  readonly isQuiet: boolean;
  /** Why it is not, for people. */
  unrest(): string;
}

export interface OpenOptions {
  readonly clockSkew?: number;
  /** Whether the tab knows the access rules; the relay does. Default: it does. */
  readonly hasRules?: boolean;
  /** Of the app. Default: the first. */
  readonly version?: number;
  readonly token?: (() => string | Promise<string>) | undefined;
}

export function createWorld(options: {
  /** At least one. */
  readonly versions: readonly AppVersion[];
  readonly dice: Dice;
  readonly weather: Weather;
  /** Whether the tabs of a device hear each other. */
  readonly hasTabBus: boolean;
  /** Of the relay. Default: those of production. */
  readonly limits?: Limits;
  /** What actions may call outside besides what their backend has. */
  readonly platform?: ((outside: Outside) => Platform) | undefined;
  readonly events: WorldEvents;
}): World {
  const { versions, dice, weather, hasTabBus, limits = DEFAULT_LIMITS, platform, events } = options;
  const schedule = createSchedule(START);
  const network = createNetwork(schedule, weather, { arrived: events.arrived, lost: events.lost, sent: events.sent });
  const relayDisk = createRelayDisk({
    schedule,
    diskTime: weather.diskTime,
    synced: events.synced,
    failed: events.failed,
    runs: events.runs,
  });
  const tabBus = createTabBus(schedule, weather, events.heard);
  const devices = new Map<string, Device>();
  const tabs: Tab[] = [];
  let relay: Party | undefined;
  let opens = 0;
  const logger: Logger = {
    info: (_, message) => message === 'mutation refused' && events.denied(),
    warn: () => undefined,
    error: (fields, message) => events.trouble(message, fields),
  };

  function appOf(version: number): AppVersion {
    const app = versions[version];
    if (!app) throw new Error(`there is no version ${version} of the app`);
    return app;
  }

  function vanish(tab: Tab, keep: (count: number) => number): void {
    forget(tab);
    network.vanish(tab.party);
    events.dropped(tab.device.forget(tab.party, keep));
  }

  function forget(tab: Tab): void {
    tab.party.isAlive = false;
    const at = tabs.indexOf(tab);
    if (at >= 0) tabs.splice(at, 1);
  }

  const world: World = {
    schedule,
    network,
    relayDisk,
    tabs,
    device(name) {
      let device = devices.get(name);
      if (!device) devices.set(name, (device = createDevice({ name, schedule, diskTime: weather.diskTime, events })));
      return device;
    },
    open(device, userId, room, { clockSkew: skew = 0, hasRules = true, version = 0, token } = {}) {
      const { schema, mutators, access } = appOf(version);
      const party: Party = { name: `${device.name} ${++opens}`, isAlive: true, skew, frozen: undefined };
      const store = createStoreOf({
        schema,
        mutators,
        access: hasRules ? access : undefined,
        room,
        storage: device.storage(party),
        fallback: memoryClientStorage(),
        transports: [network.transport(party, device.name)],
        tabs: hasTabBus ? [tabBus.transport(party, device.name)] : [],
        token,
        userId,
        clock: createPartyClock(schedule, party, weather.lateness, events.timer),
        random: dice.fork().random,
        // Some fold all the time, beside others that do not.
        foldLogAfter: opens % 2 === 0 ? 8 : 500,
      });
      const tab: Tab = { party, device, userId, store, version };
      tabs.push(tab);
      return tab;
    },
    crash: (tab) => vanish(tab, weather.kept),
    closed: forget,
    powerCut(device) {
      for (const tab of tabs.filter((other) => other.device === device)) vanish(tab, () => 0);
      return device.rollBack((count) => count - weather.kept(count));
    },
    get isRelayUp() {
      return relay !== undefined;
    },
    get relaySkew() {
      return relay?.skew ?? 0;
    },
    startRelay(skew = 0, version = 0) {
      const party: Party = { name: 'relay', isAlive: true, skew, frozen: undefined };
      const clock = createPartyClock(schedule, party, weather.lateness, events.timer);
      const app = appOf(version);
      const outside = createOutside(clock, dice.fork().random);
      const parts = {
        ...app,
        platform: { ...app.platform, ...platform?.(outside) },
        storage: relayDisk.storage(party),
        clock,
        random: dice.fork().random,
      };
      network.listen(party, createRelayOf({ ...parts, logger, limits }).accept);
      relay = party;
    },
    crashRelay() {
      if (!relay) return;
      relay.isAlive = false;
      network.listen(undefined);
      network.vanish(relay);
      events.dropped(relayDisk.forget(relay, weather.kept));
      relay = undefined;
    },
    get isQuiet() {
      return (
        schedule.due > schedule.now &&
        relayDisk.isIdle &&
        !relayDisk.hasWork(schedule.now + world.relaySkew) &&
        tabs.every(({ store, device }) => store.status.state === 'online' && store.status.pending === 0 && device.isIdle) &&
        tabs.every(({ party }) => !party.frozen) &&
        network.inFlight === 0 &&
        !network.hasLeak &&
        tabBus.inFlight === 0
      );
    },
    unrest() {
      const restless = tabs.filter(({ store }) => store.status.state !== 'online' || store.status.pending > 0);
      const states = restless.map(({ party, store: { status } }) => {
        const reason = status.reason ? ` (${status.reason.code} ${JSON.stringify(status.reason.params)})` : '';
        return `${party.name} is ${status.state} with ${status.pending} pending${reason}`;
      });
      if (relayDisk.hasWork(schedule.now + world.relaySkew)) states.push('a run has not ended');
      return [...states, `${network.inFlight} in flight`, `relay ${world.isRelayUp ? 'up' : 'down'}`].join('; ');
    },
  };
  return world;
}
