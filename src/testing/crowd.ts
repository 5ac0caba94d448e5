import type { Dice } from './dice.ts';
import type { Kind } from './report.ts';
import type { Place } from './place.ts';
import type { Tab, World } from './world.ts';

/**
 * Tabs of one device that work side by side while it has no way out, so that each builds on what the others have
 * pending; meanwhile something happens to one or two of them, and others come to hold what those have made.
 */
export function createCrowd(options: {
  readonly world: World;
  readonly dice: Dice;
  /** Those of the device. */
  readonly places: readonly Place[];
  readonly isOver: () => boolean;
  /** Makes a mutation there. */
  readonly act: (tab: Tab) => void;
  /** What may happen to a tab. */
  readonly hits: readonly ((place: Place) => void)[];
  readonly count: (kind: Kind, times?: number) => void;
}): () => void {
  const { world, dice, places, act } = options;
  const { schedule, network } = world;

  /** Not after the storm: nobody would wait for it. */
  function within(ms: number, run: () => void): void {
    schedule.after(dice.between(0, ms), () => options.isOver() || run());
  }

  return () => {
    const line = places[0]?.device.name;
    if (!line || places.length < 2) return;
    options.count('refusals');
    network.refuse(line, true);
    options.count('cuts', network.cut(line));
    const length = dice.between(500, 5_000);
    for (const place of places) {
      for (let times = dice.below(5); times > 0; times--) within(length, () => place.tab && act(place.tab));
    }
    for (let times = 1 + dice.below(2); times > 0; times--) within(length, () => dice.pick(options.hits)(dice.pick(places)));
    schedule.after(length, () => options.isOver() || network.refuse(line, false));
  };
}
