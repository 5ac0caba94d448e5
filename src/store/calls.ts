import type { StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import { seal } from './sealed.ts';

/** A run that was asked for, and that the relay is not known to have: it outlives the tab. */
export interface StoredCall {
  readonly key: MutationKey;
  readonly run: string;
  readonly name: string;
  /** JSON text. */
  readonly input: string;
  /** Left out: whoever this device turns out to be. */
  readonly userId: string | undefined;
  readonly idempotencyKey: string;
  /** By the relay's clock, milliseconds since 1970; 0: never. */
  readonly expiresAt: number;
  /** That of the last mutation made before it: it is sent behind all up to there. */
  readonly place: number;
}

export const callKeys = {
  call: (key: MutationKey): StorageKey => ['call', key.replica, key.counter],
  /** A run that is to be canceled, until the relay has said what became of it. */
  cancel: (run: string): StorageKey => ['cancel', run],
} as const;

export function callPut(call: StoredCall): [StorageKey, StorageValue] {
  return [callKeys.call(call.key), seal(call)];
}
