import type { ClientDatabase, ClientStorage } from 'cotable';
import { createGate, type Gate } from '../spec/support.ts';

/** A storage of one tab, over the disk of its device, that fails when it is told to. */
export interface FlakyStorage {
  readonly storage: ClientStorage;
  /** The next so many writes fail; how many of those in between go well first is `after`. */
  failNext(count: number, after?: number): void;
  /** Writes happen, and who made them hears of it when the function returned is called. */
  swallow(): () => void;
  /** Resolves when one was swallowed. */
  readonly swallowed: Promise<void>;
}

/** What the errors of storages look like: see `isCotableError`. */
const FULL = { name: 'CotableError', code: 'storage.quota', params: {} };

export function flaky(disk: ClientStorage): FlakyStorage {
  let failing = 0;
  let passing = 0;
  let gate: Gate | undefined;
  const swallowed = createGate();

  function pass(): void {
    if (passing > 0) passing -= 1;
    else if (failing > 0) {
      failing -= 1;
      throw Object.assign(new Error('full'), FULL);
    }
  }

  async function answered(done: Promise<void>): Promise<void> {
    await done;
    if (!gate) return;
    swallowed.open();
    await gate.passed;
  }

  return {
    failNext(count, after = 0) {
      failing = count;
      passing = after;
    },
    swallow() {
      gate = createGate();
      return gate.open;
    },
    swallowed: swallowed.passed,
    storage: {
      async open(name): Promise<ClientDatabase> {
        const database = await disk.open(name);
        return {
          ...database,
          async write(batch) {
            pass();
            await answered(database.write(batch));
          },
          async update(keys, change) {
            pass();
            await answered(database.update(keys, change));
          },
        };
      },
    },
  };
}
