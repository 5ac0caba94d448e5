/**
 * A key: a list of numbers and strings. Keys are ordered element by element; numbers come before strings, numbers by
 * value, strings by UTF-16 code unit, and a list comes before its own extensions.
 */
export type StorageKey = readonly (string | number)[];

/** Anything the structured clone algorithm copies. */
export type StorageValue = unknown;

/** Changes that happen together or not at all. Deletes happen before puts. */
export interface StorageBatch {
  readonly put?: readonly (readonly [StorageKey, StorageValue])[];
  readonly delete?: readonly StorageKey[];
  /** Each key that begins with one of these is deleted. */
  readonly deletePrefix?: readonly StorageKey[];
}

/**
 * Whether data outlives the tab. `true`: whoever keeps it has promised to. `'unknown'`: it is kept, and may be thrown away
 * without anybody being asked. `false`: it is gone with the tab.
 */
export type Durability = boolean | 'unknown';

/** What becomes of an open database while nobody uses it. */
export interface DatabaseWatch {
  /** `durable` is another one now. `false`: the database is gone, and every call rejects from now on and says why. */
  durability(durable: Durability): void;
}

/** One device's data of one room. */
export interface ClientDatabase {
  readonly durable: Durability;
  /** What was kept under this name before is gone, and nobody had deleted it. Left out: not that anybody knows. */
  readonly wasLost?: boolean;
  /** All pairs whose key begins with `prefix` (`[]`: all), in key order, of one moment, with
   * every write that was begun before. Values are the caller's own. */
  range(prefix: StorageKey): Promise<readonly (readonly [StorageKey, StorageValue])[]>;
  /**
   * Writes atomically; batches take effect in the order of the calls. Values are copied within the call. A value that
   * cannot be cloned rejects and changes nothing. Rejects with a `storage.*` error.
   */
  write(batch: StorageBatch): Promise<void>;
  /**
   * Reads the values of these keys (`undefined`: nothing is there) and writes what `change` makes of them, in one transaction
   * that nobody else can come into. Takes its turn among the writes, and rejects like them; also with what `change` throws:
   * then nothing has changed. `change` is called once, and must answer at once.
   */
  update(keys: readonly StorageKey[], change: (values: readonly StorageValue[]) => StorageBatch): Promise<void>;
  /** Lets the database go after the writes that were begun. Later calls reject with `storage.closed`. */
  close(): Promise<void>;
}

/** Where a store keeps what must outlive the tab. */
export interface ClientStorage {
  /**
   * Opens, and makes when it is not there, the database of that name. Two opens of one name see each other's writes.
   * `watch` hears of what changes later.
   */
  open(name: string, watch?: DatabaseWatch): Promise<ClientDatabase>;
}
