import type { ClientDatabase, ClientStorage } from 'cotable';

/** A storage of one tab, over the disk of its device, that fails when it is told to. */
export interface FlakyStorage {
  readonly storage: ClientStorage;
  /** The next so many writes fail; how many of those in between go well first is `after`. */
  failNext(count: number, after?: number): void;
  /** Writes wait until the function returned is called. */
  hold(): () => void;
}

/** What the errors of storages look like: see `isCotableError`. */
const FULL = { name: 'CotableError', code: 'storage.quota', params: {} };

export function flaky(disk: ClientStorage): FlakyStorage {
  let failing = 0;
  let passing = 0;
  let gate: Promise<void> = Promise.resolve();

  async function pass(): Promise<void> {
    await gate;
    if (passing > 0) passing -= 1;
    else if (failing > 0) {
      failing -= 1;
      throw Object.assign(new Error('full'), FULL);
    }
  }

  return {
    failNext(count, after = 0) {
      failing = count;
      passing = after;
    },
    hold() {
      let release = (): void => undefined;
      gate = new Promise((resolve) => (release = resolve));
      return release;
    },
    storage: {
      async open(name): Promise<ClientDatabase> {
        const database = await disk.open(name);
        return {
          ...database,
          async write(batch) {
            const copy = structuredClone(batch);
            await pass();
            await database.write(copy);
          },
          async update(keys, change) {
            await pass();
            await database.update(keys, change);
          },
        };
      },
    },
  };
}
