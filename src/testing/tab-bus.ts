import type { TabTransport } from '../ports/tabs.ts';
import { clone } from '../util/clone.ts';
import { whenAwake, type Party, type Schedule } from './schedule.ts';
import type { Weather } from './weather.ts';

/** What the tabs of each device say to each other: in order between any two, lost only with who says or hears it. */
export interface TabBus {
  /** Messages that have not arrived. */
  readonly inFlight: number;
  transport(tab: Party, device: string): TabTransport;
}

interface Ear {
  readonly tab: Party;
  readonly heard: (message: unknown) => void;
  /** When the last message is due. */
  last: number;
}

/** `arrived` hears of each message before the tab does. */
export function createTabBus(schedule: Schedule, weather: Pick<Weather, 'tabLatency'>, arrived: (message: unknown) => void): TabBus {
  const ears = new Map<string, Set<Ear>>();
  let inFlight = 0;

  function carry(ear: Ear, message: unknown): void {
    ear.last = Math.max(ear.last, schedule.now + weather.tabLatency());
    inFlight += 1;
    schedule.after(ear.last - schedule.now, () =>
      whenAwake(ear.tab, (isAlive) => {
        inFlight -= 1;
        if (!isAlive) return;
        arrived(message);
        ear.heard(message);
      }),
    );
  }

  return {
    get inFlight() {
      return inFlight;
    },
    transport: (tab, device) => ({
      join(name, heard) {
        const place = `${device}/${name}`;
        const others = ears.get(place) ?? new Set();
        const ear: Ear = { tab, heard, last: 0 };
        ears.set(place, others.add(ear));
        return {
          send(message) {
            if (tab.isAlive) for (const other of others) if (other !== ear) carry(other, clone(message));
          },
          close: () => void others.delete(ear),
        };
      },
    }),
  };
}
