import { createCrew } from './crew.ts';
import type { Dice } from './dice.ts';
import { createFaults, type Fault } from './faults.ts';
import type { Seat } from './place.ts';
import type { Kind } from './report.ts';
import type { Tab, World } from './world.ts';

/** Tabs at work, and everything that may go wrong going wrong, at random. */
export interface Storm {
  start(): void;
  /** Nobody reaches the relay, and soon nothing more goes wrong: every tab is open, and works for a last time. */
  hush(): void;
  /** Nobody works and nothing more goes wrong: lines are whole, relay and tabs are there, all of the newest version that came. */
  stop(): void;
  /** All tabs and the relay vanish and come back at once. */
  restart(): void;
  /** Of the app, as pages get it now. */
  readonly version: number;
  /** A store has learned that it is too old. */
  outdated(tab: Tab): void;
}

export function createStorm(options: {
  readonly world: World;
  readonly dice: Dice;
  readonly seats: readonly Seat[];
  readonly open: (seat: Seat, clockSkew: number, version: number) => Tab;
  /** Makes a mutation there. */
  readonly act: (tab: Tab) => void;
  readonly count: (kind: Kind, times?: number) => void;
  readonly faults: readonly Fault[];
  /** The newest version of the app that may come, from 0. */
  readonly newest: number;
}): Storm {
  const { world, dice } = options;
  const { schedule, network } = world;
  let isOver = true;
  const crew = createCrew({ ...options, isOver: () => isOver });
  const { places, lines } = crew;
  const lots = createFaults({
    ...options,
    crew,
    wanted: options.faults,
    isOver: () => isOver,
    hasUpgrades: options.newest > 0,
  });

  function work(): void {
    const pause = dice.chance(0.02) ? dice.between(0, 40_000) : dice.between(0, 600);
    schedule.after(pause, () => {
      if (isOver) return;
      const { tab } = dice.pick(places);
      if (tab) options.act(tab);
      work();
    });
  }

  function goOn(): void {
    const pause = dice.chance(0.1) ? dice.between(0, 60_000) : dice.between(0, 2_000);
    schedule.after(pause, () => {
      if (isOver) return;
      // In the middle of something, mostly: of what tabs and relay do for a few mutations.
      if (dice.chance(0.7)) burst();
      if (lots.length > 0) schedule.after(dice.between(0, 25), () => isOver || dice.pick(lots)());
      goOn();
    });
  }

  function burst(): void {
    for (const { tab } of places) if (tab && dice.chance(0.5)) for (let times = dice.below(5); times > 0; times--) options.act(tab);
  }

  return {
    outdated: crew.outdated,
    get version() {
      return crew.pageVersion;
    },
    start() {
      isOver = false;
      crew.startRelay();
      for (const place of places) crew.fillLater(place, 5_000);
      work();
      goOn();
    },
    hush() {
      isOver = true;
      for (const line of lines) {
        network.refuse(line, true);
        network.cut(line);
      }
      crew.bringUp(false);
      for (const place of places) {
        crew.fill(place);
        for (let times = dice.below(4); times > 0; times--)
          schedule.after(dice.between(0, 2_000), () => place.tab && options.act(place.tab));
      }
      schedule.after(dice.between(0, 1_000), () => crew.crashTab(dice.pick(places), 2_000));
    },
    stop() {
      isOver = true;
      for (const line of lines) {
        network.refuse(line, false);
        network.release(line);
      }
      crew.bringUp(true);
      crew.startRelay();
      for (const place of places) crew.fill(place);
    },
    restart() {
      world.crashRelay();
      crew.clear();
      crew.startRelay();
      for (const place of places) crew.fill(place);
    },
  };
}
