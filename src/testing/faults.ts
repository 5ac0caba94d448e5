import { createCrowd } from './crowd.ts';
import type { Crew } from './crew.ts';
import type { Dice } from './dice.ts';
import type { Place } from './place.ts';
import type { Kind } from './report.ts';
import { freeze } from './schedule.ts';
import type { Tab, World } from './world.ts';

/** What may go wrong, in groups that can be left out. */
export const FAULTS = ['loss', 'crash', 'disk', 'skew', 'freeze'] as const;

/**
 * - `loss`: links break, are slow to say so, lose what was on its way or one message in the middle; devices cannot connect.
 * - `crash`: tabs and relays vanish.
 * - `disk`: a device's power fails and its last writes never were, or it loses all it has stored; calls of the relay's disk fail.
 * - `skew`: devices' clocks are set, in the middle of everything.
 * - `freeze`: nothing runs in a tab for a while.
 */
export type Fault = (typeof FAULTS)[number];

/** The kinds that a group brings about for sure, if a run is long enough. */
export const KINDS_OF: Readonly<Record<Fault, readonly Kind[]>> = {
  loss: ['cuts', 'drops', 'gaps', 'lateFrames', 'partitions', 'refusals'],
  crash: ['tabCrashes', 'relayCrashes', 'unsynced', 'landed'],
  disk: ['powerCuts', 'rollbacks', 'evictions', 'diskFailures'],
  skew: ['clockSteps'],
  freeze: ['freezes'],
};

/** What may happen next, each as often as it is likely. Empty when nothing may. */
export function createFaults(options: {
  readonly world: World;
  readonly dice: Dice;
  readonly crew: Crew;
  readonly wanted: readonly Fault[];
  readonly isOver: () => boolean;
  /** Makes a mutation there. */
  readonly act: (tab: Tab) => void;
  readonly count: (kind: Kind, times?: number) => void;
  /** Whether there may be another version of the app. */
  readonly hasUpgrades: boolean;
}): readonly (() => void)[] {
  const { world, dice, crew, isOver, act, count } = options;
  const { schedule, network, relayDisk } = world;
  const { places, lines, delay } = crew;
  const anyPlace = (): Place => dice.pick(places);
  /** Not after the storm. */
  const later = (ms: number, run: () => void): void => void schedule.after(ms, () => isOver() || run());

  function partition(): void {
    const line = dice.pick(lines);
    const refuses = dice.chance(0.3);
    count(refuses ? 'refusals' : 'partitions');
    if (refuses) network.refuse(line, true);
    else network.hold(line);
    later(delay(120_000), () => {
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
    later(dice.between(20_000, 60_000), () => lines.forEach((line) => network.refuse(line, false)));
  }

  /** While much is on its way, so that something comes behind what is lost. */
  function leak(): void {
    const { device, tab } = anyPlace();
    const isUp = dice.chance(0.5);
    count('gaps', network.leak(device.name, isUp));
    for (const other of isUp ? [tab, tab] : places.map((place) => place.tab)) if (other) later(dice.between(0, 500), () => act(other));
    // Storm or not: no transport goes on after a loss.
    schedule.after(dice.between(500, 4_000), () => count('cuts', network.cut(device.name)));
  }

  function crashRelay(): void {
    crew.crashRelay();
    schedule.after(delay(10_000), crew.startRelay);
  }

  function freezeTab({ tab }: Place, longest: number): void {
    if (!tab) return;
    count('freezes');
    freeze(schedule, tab.party, delay(longest));
  }

  function powerCut(): void {
    crew.powerCut(anyPlace().device, 30_000);
  }

  /**
   * A device comes back with something pending and sends it under new writers. While that is on its way the power fails, and
   * the disk has forgotten those writers: nobody has them fenced, and what they carry comes when it is sent once more, or later.
   */
  function relapse(): void {
    const { device } = anyPlace();
    const tabs = places.filter((place) => place.device === device);
    network.refuse(device.name, true);
    count('refusals');
    count('cuts', network.cut(device.name));
    for (const { tab } of tabs) for (let times = 1 + dice.below(3); times > 0 && tab; times--) later(dice.between(0, 200), () => act(tab));
    later(dice.between(300, 1_000), () => {
      network.refuse(device.name, false);
      for (const place of tabs) {
        crew.crashTab(place, 500);
        crew.fill(place);
        if (place.tab) cutWhenSending(place.tab);
      }
    });
  }

  function cutWhenSending({ device, store, party }: Tab): void {
    const watching = store.status$.subscribe(({ state, pending }) => {
      if (state !== 'online' || pending === 0 || isOver()) return;
      watching.unsubscribe();
      // It sends what is pending as soon as it has told that it is level.
      network.hold(device.name);
      schedule.after(dice.between(5, 200), () => {
        if (party.isAlive && !isOver()) crew.powerCut(device, 1_000);
        network.release(device.name);
      });
    });
  }

  function evict(): void {
    const { device } = anyPlace();
    if (dice.chance(0.5)) for (const place of places) if (place.device === device) crew.crashTab(place, 30_000);
    // What the crash let through is on disk by then.
    later(dice.between(0, 50), () => {
      count('evictions');
      device.evict();
    });
  }

  const crowd = createCrowd({
    world,
    dice,
    places: places.filter(({ device }) => device.name === lines.at(-1)),
    isOver,
    act,
    hits: [(place) => crew.crashTab(place, 2_000), (place) => freezeTab(place, 20_000)],
    count,
  });
  const all: readonly [group: Fault | readonly Fault[], weight: number, run: () => void][] = [
    ['loss', 6, () => count('cuts', network.cut(dice.pick(lines)))],
    ['loss', 1, () => count('cuts', network.cut())],
    ['loss', 4, partition],
    ['loss', 1, blackout],
    ['loss', 2, leak],
    ['crash', 5, () => crew.crashTab(anyPlace(), 30_000)],
    ['crash', 1, () => crew.closeTab(anyPlace())],
    ['crash', 3, crashRelay],
    [['loss', 'crash', 'freeze'], 4, crowd],
    [['loss', 'crash', 'disk'], 2, relapse],
    ['disk', 1, powerCut],
    ['disk', 1, evict],
    ['disk', 1, () => relayDisk.fail(1 + dice.below(2))],
    ['freeze', 3, () => freezeTab(anyPlace(), 60_000)],
    ['skew', 2, setClock],
  ];
  const upgrade: [number, () => void][] = options.hasUpgrades ? [[4, crew.upgrade]] : [];
  const wanted = all.flatMap(([group, weight, run]): [number, () => void][] =>
    [group].flat().every((one) => options.wanted.includes(one as Fault)) ? [[weight, run]] : [],
  );
  return [...wanted, ...upgrade].flatMap(([weight, run]) => Array.from({ length: weight }, () => run));

  function setClock(): void {
    count('clockSteps');
    crew.setClock(dice.pick(lines));
  }
}
