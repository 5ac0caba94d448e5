import type { StorageValue } from '../ports/client-storage.ts';
import { checksumOfText } from '../util/checksum.ts';

/** A record with the checksum of its fields. */
export type Sealed<T extends object> = T & { readonly sum: number };

/** For records of plain values and maps. The order of their fields counts, and a device keeps it. */
export function seal<T extends object>(record: T): Sealed<T> {
  return { ...record, sum: sumOf(record) };
}

/** The record, `undefined` when it is not what was sealed. */
export function unseal<T extends object>(value: StorageValue): T | undefined {
  if (typeof value !== 'object' || value === null || !('sum' in value)) return undefined;
  const { sum, ...record } = value;
  return sum === sumOf(record) ? (record as T) : undefined;
}

function sumOf(record: object): number {
  return checksumOfText(JSON.stringify(record, (_, value: unknown) => (value instanceof Map ? [...value] : value)));
}
