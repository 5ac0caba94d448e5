import type { ClientDatabase, ClientStorage } from 'cotable';
import { onTestFinished } from 'vitest';
import { createGate } from '../spec/support.ts';

/** The disk of a device as one tab has it: what that tab writes takes until `go`. */
export interface HeldDisk {
  readonly storage: ClientStorage;
  /** From now on. `silently`: it is written, and only the tab does not hear of it. */
  hold(how: 'at all' | 'silently'): void;
  go(): void;
}

export function held(disk: ClientStorage): HeldDisk {
  let how: 'at all' | 'silently' | undefined;
  const gate = createGate();
  onTestFinished(gate.open);
  const slowly = async (work: () => Promise<void>): Promise<void> => {
    if (how === 'at all') await gate.passed;
    await work();
    if (how === 'silently') await gate.passed;
  };
  return {
    hold: (kind) => void (how = kind),
    go() {
      how = undefined;
      gate.open();
    },
    storage: {
      async open(name): Promise<ClientDatabase> {
        const database = await disk.open(name);
        return {
          ...database,
          write: (batch) => slowly(() => database.write(batch)),
          update: (keys, change) => slowly(() => database.update(keys, change)),
        };
      },
    },
  };
}
