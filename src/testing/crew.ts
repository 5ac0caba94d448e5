import type { Device } from './device.ts';
import type { Dice } from './dice.ts';
import type { Kind } from './report.ts';
import type { Place, Seat } from './place.ts';
import type { Tab, World } from './world.ts';

/** The tabs of a round and its relay: who is there, who comes back when, and with which version of the app. */
export interface Crew {
  readonly places: readonly Place[];
  /** One for each device, by its name. */
  readonly lines: readonly string[];
  /** Of the app, as pages get it now. */
  readonly pageVersion: number;
  /** Mostly soon, now and then after `longest` milliseconds. */
  delay(longest: number): number;
  /** Opens a tab where there is none. */
  fill(place: Place): void;
  /** Opens it after a while. */
  fillLater(place: Place, longest: number): void;
  crashTab(place: Place, longest: number): void;
  closeTab(place: Place): void;
  /** The tabs of a device vanish with the last of what they wrote, and come back within `longest` milliseconds. */
  powerCut(device: Device, longest: number): void;
  startRelay(): void;
  crashRelay(): void;
  /** Another clock for a device, its tabs included. */
  setClock(line: string): void;
  /** The next version of the app is there: for the relay at once and for pages later, or the other way round. */
  upgrade(): void;
  /** A store has learned that its page is too old: it is loaded again after a while. */
  outdated(tab: Tab): void;
  /** Pages that are older than what there is are loaded again; `isWhole`: the relay is of that version too. */
  bringUp(isWhole: boolean): void;
  /** All tabs vanish at once. */
  clear(): void;
}

export function createCrew(options: {
  readonly world: World;
  readonly dice: Dice;
  readonly seats: readonly Seat[];
  readonly open: (seat: Seat, clockSkew: number, version: number) => Tab;
  readonly count: (kind: Kind, times?: number) => void;
  /** The newest version of the app, from 0. */
  readonly newest: number;
  readonly isOver: () => boolean;
}): Crew {
  const { world, dice, count, newest, isOver } = options;
  const { schedule } = world;
  const places: Place[] = options.seats.map((seat) => ({ ...seat, tab: undefined }));
  const lines = [...new Set(places.map(({ device }) => device.name))];
  const skews = new Map(lines.map((line) => [line, skew()]));
  let relayVersion = 0;
  let pageVersion = 0;

  function delay(longest: number): number {
    return dice.chance(0.7) ? dice.between(0, longest / 20) : dice.between(0, longest);
  }

  /** A device's clock: right, a bit off, or quite wrong. */
  function skew(): number {
    if (dice.chance(0.3)) return 0;
    return dice.chance(0.7) ? dice.between(-3_000, 3_000) : dice.between(-600_000, 600_000);
  }

  function fill(place: Place): void {
    place.tab ??= options.open(place, skews.get(place.device.name) ?? 0, pageVersion);
  }

  function fillLater(place: Place, longest: number): void {
    schedule.after(delay(longest), () => fill(place));
  }

  function crashTab(place: Place, longest: number): void {
    const { tab } = place;
    if (!tab) return;
    count('tabCrashes');
    place.tab = undefined;
    world.crash(tab);
    fillLater(place, longest);
  }

  function startRelay(): void {
    if (!world.isRelayUp) world.startRelay(dice.chance(0.5) ? 0 : dice.between(-90_000, 90_000), relayVersion);
  }

  function crashRelay(): void {
    if (!world.isRelayUp) return;
    count('relayCrashes');
    world.crashRelay();
  }

  function raiseRelay(to: number): void {
    if (relayVersion >= to) return;
    relayVersion = to;
    count('upgrades');
    crashRelay();
    schedule.after(isOver() ? 0 : delay(10_000), startRelay);
  }

  return {
    places,
    lines,
    get pageVersion() {
      return pageVersion;
    },
    delay,
    fill,
    fillLater,
    crashTab,
    startRelay,
    crashRelay,

    closeTab(place) {
      const { tab } = place;
      if (!tab) return;
      count('closes');
      place.tab = undefined;
      const gone = (): void => {
        if (tab.party.isAlive) world.closed(tab);
        fillLater(place, 10_000);
      };
      tab.store.close().then(gone, gone);
    },

    powerCut(device, longest) {
      count('powerCuts');
      for (const place of places) {
        if (place.device !== device) continue;
        if (place.tab) count('tabCrashes');
        place.tab = undefined;
        fillLater(place, longest);
      }
      count('rollbacks', world.powerCut(device));
    },

    setClock(line) {
      skews.set(line, skew());
      for (const { party, device } of world.tabs) if (device.name === line) party.skew = skews.get(line) ?? 0;
    },

    upgrade() {
      const next = Math.max(relayVersion, pageVersion) + 1;
      if (next > newest) return;
      const raisePages = (): void => void (pageVersion = Math.max(pageVersion, next));
      const isRelayFirst = dice.chance(0.5);
      if (isRelayFirst) raiseRelay(next);
      else raisePages();
      schedule.after(delay(60_000), () => (isRelayFirst ? raisePages() : isOver() || raiseRelay(next)));
    },

    outdated(tab) {
      schedule.after(delay(30_000), () => {
        const place = places.find((one) => one.tab === tab);
        if (!place || isOver() || tab.party.frozen) return;
        place.tab = undefined;
        world.crash(tab);
        fillLater(place, 2_000);
      });
    },

    bringUp(isWhole) {
      const target = Math.max(relayVersion, pageVersion);
      if (isWhole) raiseRelay(target);
      pageVersion = target;
      for (const place of places) {
        if (!place.tab || place.tab.version === target) continue;
        world.crash(place.tab);
        place.tab = undefined;
      }
    },

    clear() {
      for (const place of places) {
        if (place.tab) world.crash(place.tab);
        place.tab = undefined;
      }
    },
  };
}
