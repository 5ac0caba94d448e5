import { CotableError } from '../../src/errors.ts';
import type { ClientDatabase, ClientStorage, StorageBatch, StorageKey, StorageValue } from '../../src/ports/client-storage.ts';
import { clone } from '../../src/util/clone.ts';

type Pair = readonly [StorageKey, StorageValue];

/**
 * Client storage in the memory of this process. The object returned holds its databases by name for as long as it lives:
 * closing one and opening it again is what a reload is to a tab. `durable` (default: `false`) is what its databases say of
 * themselves; tests of what a device keeps set it.
 */
export function memoryClientStorage(options: { readonly durable?: boolean } = {}): ClientStorage {
  const databases = new Map<string, Pair[]>();
  return {
    async open(name) {
      const pairs = databases.get(name) ?? [];
      databases.set(name, pairs);
      return openPairs(pairs, options.durable ?? false);
    },
  };
}

/** One open of a database. `pairs` are in key order and shared by all opens of the name. */
function openPairs(pairs: Pair[], durable: boolean): ClientDatabase {
  let closed = false;
  const mustBeOpen = (): void => {
    if (closed) throw new CotableError('storage.closed', {});
  };
  return {
    durable,
    async range(prefix) {
      mustBeOpen();
      const [start, end] = boundsOf(pairs, prefix);
      return pairs.slice(start, end).map(([key, value]) => [[...key], clone(value)] as const);
    },
    async write(batch) {
      mustBeOpen();
      apply(pairs, copyOf(batch));
    },
    async update(keys, change) {
      mustBeOpen();
      const { delete: wanted } = copyOf({ delete: keys });
      const values = wanted.map((key) => clone(valueAt(pairs, key)));
      apply(pairs, copyOf(change(values)));
    },
    async close() {
      closed = true;
    },
  };
}

function apply(pairs: Pair[], batch: Required<StorageBatch>): void {
  for (const key of batch.delete) removeKey(pairs, key);
  for (const prefix of batch.deletePrefix) {
    const [start, end] = boundsOf(pairs, prefix);
    pairs.splice(start, end - start);
  }
  for (const pair of batch.put) putPair(pairs, pair);
}

/** All that can fail in a batch fails here, before anything is changed. */
function copyOf(batch: StorageBatch): Required<StorageBatch> {
  try {
    return {
      delete: (batch.delete ?? []).map(copyKey),
      deletePrefix: (batch.deletePrefix ?? []).map(copyKey),
      put: (batch.put ?? []).map(([key, value]) => [copyKey(key), clone(value)] as const),
    };
  } catch (cause) {
    throw new CotableError('storage.unavailable', { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

function copyKey(key: StorageKey): StorageKey {
  for (const part of key) {
    if (typeof part !== 'string' && (typeof part !== 'number' || Number.isNaN(part)))
      throw new TypeError(`${String(part)} cannot be in a key`);
  }
  return [...key];
}

function putPair(pairs: Pair[], pair: Pair): void {
  const index = firstIndex(pairs, (key) => compareKeys(key, pair[0]) >= 0);
  pairs.splice(index, isKeyAt(pairs, index, pair[0]) ? 1 : 0, pair);
}

function removeKey(pairs: Pair[], key: StorageKey): void {
  const index = firstIndex(pairs, (other) => compareKeys(other, key) >= 0);
  if (isKeyAt(pairs, index, key)) pairs.splice(index, 1);
}

function valueAt(pairs: readonly Pair[], key: StorageKey): unknown {
  const index = firstIndex(pairs, (other) => compareKeys(other, key) >= 0);
  return isKeyAt(pairs, index, key) ? pairs[index]?.[1] : undefined;
}

function isKeyAt(pairs: readonly Pair[], index: number, key: StorageKey): boolean {
  const pair = pairs[index];
  return pair !== undefined && compareKeys(pair[0], key) === 0;
}

/** Where the keys that begin with `prefix` start and end: they stand together, since a list comes before its own extensions. */
function boundsOf(pairs: readonly Pair[], prefix: StorageKey): readonly [start: number, end: number] {
  const start = firstIndex(pairs, (key) => compareKeys(key, prefix) >= 0);
  const end = firstIndex(pairs, (key) => compareKeys(key.slice(0, prefix.length), prefix) > 0);
  return [start, end];
}

/** The first index whose key passes; keys that pass come after all that do not. */
function firstIndex(pairs: readonly Pair[], passes: (key: StorageKey) => boolean): number {
  let low = 0;
  let high = pairs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const pair = pairs[middle];
    if (pair && passes(pair[0])) high = middle;
    else low = middle + 1;
  }
  return low;
}

function compareKeys(a: StorageKey, b: StorageKey): number {
  // An index and not `of`: this is most of what the memory takes.
  for (let index = 0; index < a.length; index++) {
    const [part, other] = [a[index], b[index]];
    if (part === undefined || other === undefined) return 1;
    const order = compareParts(part, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: string | number, b: string | number): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
