import type { Device } from './device.ts';
import type { Tab } from './world.ts';

/** Where a tab is at home. */
export interface Seat {
  readonly device: Device;
  readonly userId: string;
}

/** Empty from a crash until the tab is opened again. */
export interface Place extends Seat {
  tab: Tab | undefined;
}
