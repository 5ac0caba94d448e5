import { afterEach, beforeEach, expect } from 'vitest';
import type { RelayStorage } from '../../src/ports/relay-storage.ts';
import { codeOf, everything } from './relay-storage.fixtures.ts';

/** One place that outlives the storages opened on it. */
export interface RelayStoragePlace {
  /** Opens the place; again after `close`: the same rooms. */
  open(): Promise<RelayStorage>;
  /** Called once, after the last storage was closed. */
  cleanup(): Promise<void>;
}

/** The storage of the test that runs. */
export interface Here {
  readonly storage: RelayStorage;
  /** Opens the place again; the test has closed the storage. */
  reopen(): Promise<void>;
  /** Closes and opens again. */
  restart(): Promise<void>;
}

/** Opens a new place before each test and cleans it up after. */
export function usePlace(make: () => RelayStoragePlace | Promise<RelayStoragePlace>): Here {
  let place: RelayStoragePlace;
  let storage: RelayStorage;
  const here: Here = {
    get storage() {
      return storage;
    },
    reopen: async () => {
      storage = await place.open();
    },
    restart: async () => {
      await storage.close();
      await here.reopen();
    },
  };
  beforeEach(async () => {
    place = await make();
    await here.reopen();
  });
  afterEach(async () => {
    await storage.close();
    await place.cleanup();
  });
  return here;
}

/** The call is refused as a conflict, and the room is as it was. */
export async function expectConflict({ storage }: Here, room: string, call: () => Promise<void>): Promise<void> {
  const before = await everything(storage, room);
  expect(await codeOf(call())).toBe('storage.conflict');
  expect(await everything(storage, room)).toEqual(before);
}
