import { createCrowd } from './crowd.ts';
import type { Dice } from './dice.ts';
import type { Kind } from './report.ts';
import type { Place, Seat } from './place.ts';
import { freeze } from './schedule.ts';
import type { Tab, World } from './world.ts';

/** Tabs at work, and everything that may go wrong going wrong, at random. */
export interface Storm {
  start(): void;
  /** Nobody reaches the relay, and soon nothing more goes wrong: every tab is open, and works for a last time. */
  hush(): void;
  /** Nobody works and nothing more goes wrong: lines are whole, the relay is up, every tab is open. */
  stop(): void;
  /** All tabs and the relay vanish and come back at once. */
  restart(): void;
}

export function createStorm(options: {
  readonly world: World;
  readonly dice: Dice;
  readonly seats: readonly Seat[];
  readonly open: (seat: Seat, clockSkew: number) => Tab;
  /** Makes a mutation there. */
  readonly act: (tab: Tab) => void;
  readonly count: (kind: Kind, times?: number) => void;
}): Storm {
  const { world, dice, count } = options;
  const { schedule, network, relayDisk } = world;
  const places: Place[] = options.seats.map((seat) => ({ ...seat, tab: undefined }));
  const lines = [...new Set(places.map(({ device }) => device.name))];
  const skews = new Map(lines.map((line) => [line, skew()]));
  let isOver = true;

  /** Mostly soon, now and then after minutes. */
  function delay(longest: number): number {
    return dice.chance(0.7) ? dice.between(0, longest / 20) : dice.between(0, longest);
  }

  /** A device's clock: right, a bit off, or quite wrong. */
  function skew(): number {
    if (dice.chance(0.3)) return 0;
    return dice.chance(0.7) ? dice.between(-3_000, 3_000) : dice.between(-600_000, 600_000);
  }

  function fill(place: Place): void {
    place.tab ??= options.open(place, skews.get(place.device.name) ?? 0);
  }

  const startRelay = (): void => {
    if (!world.isRelayUp) world.startRelay(dice.chance(0.5) ? 0 : dice.between(-90_000, 90_000));
  };

  function crashTab(place: Place, longest: number): void {
    const { tab } = place;
    if (!tab) return;
    count('tabCrashes');
    place.tab = undefined;
    world.crash(tab);
    schedule.after(delay(longest), () => fill(place));
  }

  function closeTab(): void {
    const place = dice.pick(places);
    const { tab } = place;
    if (!tab) return;
    count('closes');
    place.tab = undefined;
    const gone = (): void => {
      if (tab.party.isAlive) world.closed(tab);
      schedule.after(delay(10_000), () => fill(place));
    };
    tab.store.close().then(gone, gone);
  }

  function crashRelay(): void {
    if (!world.isRelayUp) return;
    count('relayCrashes');
    world.crashRelay();
    schedule.after(delay(10_000), startRelay);
  }

  function partition(): void {
    const line = dice.pick(lines);
    const refuses = dice.chance(0.3);
    count(refuses ? 'refusals' : 'partitions');
    if (refuses) network.refuse(line, true);
    else network.hold(line);
    schedule.after(delay(120_000), () => {
      if (isOver) return;
      if (dice.chance(0.4)) count('cuts', network.cut(line));
      network.refuse(line, false);
      network.release(line);
    });
  }

  /** Nobody reaches the relay for so long that the room leaves its memory. */
  function blackout(): void {
    count('refusals', lines.length);
    for (const line of lines) network.refuse(line, true);
    count('cuts', network.cut());
    schedule.after(dice.between(20_000, 60_000), () => isOver || lines.forEach((line) => network.refuse(line, false)));
  }

  function setClock(): void {
    const line = dice.pick(lines);
    skews.set(line, skew());
    count('clockSteps');
    for (const { party, device } of world.tabs) if (device.name === line) party.skew = skews.get(line) ?? 0;
  }

  function freezeTab({ tab }: Place, longest: number): void {
    if (!tab) return;
    count('freezes');
    freeze(schedule, tab.party, delay(longest));
  }

  function failDisk(): void {
    relayDisk.fail(1 + dice.below(2));
  }

  const crowd = createCrowd({
    world,
    dice,
    places: places.filter(({ device }) => device.name === lines.at(-1)),
    isOver: () => isOver,
    act: options.act,
    hits: [(place) => crashTab(place, 2_000), (place) => freezeTab(place, 20_000)],
    count,
  });
  const faults: readonly [weight: number, run: () => void][] = [
    [6, () => count('cuts', network.cut(dice.pick(lines)))],
    [1, () => count('cuts', network.cut())],
    [4, partition],
    [5, () => crashTab(dice.pick(places), 30_000)],
    [4, crowd],
    [1, blackout],
    [1, closeTab],
    [3, crashRelay],
    [3, () => freezeTab(dice.pick(places), 60_000)],
    [2, setClock],
    [1, failDisk],
  ];
  const lots = faults.flatMap(([weight, run]) => Array.from({ length: weight }, () => run));

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
      schedule.after(dice.between(0, 25), () => isOver || dice.pick(lots)());
      goOn();
    });
  }

  function burst(): void {
    for (const { tab } of places) if (tab && dice.chance(0.5)) for (let times = dice.below(5); times > 0; times--) options.act(tab);
  }

  return {
    start() {
      isOver = false;
      startRelay();
      for (const place of places) schedule.after(delay(5_000), () => fill(place));
      work();
      goOn();
    },
    hush() {
      isOver = true;
      for (const line of lines) {
        network.refuse(line, true);
        network.cut(line);
      }
      for (const place of places) {
        fill(place);
        for (let times = dice.below(4); times > 0; times--)
          schedule.after(dice.between(0, 2_000), () => place.tab && options.act(place.tab));
      }
      schedule.after(dice.between(0, 1_000), () => crashTab(dice.pick(places), 2_000));
    },
    stop() {
      isOver = true;
      for (const line of lines) {
        network.refuse(line, false);
        network.release(line);
      }
      startRelay();
      for (const place of places) fill(place);
    },
    restart() {
      world.crashRelay();
      for (const place of places) {
        if (place.tab) world.crash(place.tab);
        place.tab = undefined;
      }
      startRelay();
      for (const place of places) fill(place);
    },
  };
}
