import { BehaviorSubject, type Observable } from 'rxjs';
import { errorOf, type CotableError } from '../errors.ts';
import type { StorageBatch } from '../ports/client-storage.ts';
import { keys, type StoredRejection } from './stored.ts';
import type { OutboxCall } from './replica.ts';
import type { MutationReceipt, Rejection } from './types.ts';

/** Mutations that will never be confirmed, until the app has dealt with them. They are on disk already when they get here. */
export interface Rejections {
  list(): readonly Rejection[];
  readonly list$: Observable<readonly Rejection[]>;
  load(stored: readonly StoredRejection[]): void;
  add(mutation: OutboxCall, error: CotableError): void;
  /** What was given up here has arrived after all: a device that lost its last writes did not know that it had been sent. */
  disproved(ids: readonly string[]): void;
  /** Another tab has dismissed it. */
  forget(id: string): void;
  close(): void;
}

export function createRejections(
  mutate: (name: string, input: unknown) => Promise<MutationReceipt>,
  write: (batch: StorageBatch) => void,
  dismissed: (id: string) => void,
): Rejections {
  const list = new BehaviorSubject<readonly Rejection[]>([]);

  const forget = (id: string): void => list.next(list.value.filter((item) => item.id !== id));

  function toRejection({ key, id, name, input }: OutboxCall, error: CotableError): Rejection {
    let retrying: Promise<MutationReceipt> | undefined;
    function dismiss(): void {
      forget(id);
      write({ delete: [keys.rejected(key)] });
      dismissed(id);
    }
    async function retry(): Promise<MutationReceipt> {
      try {
        const receipt = await mutate(name, input);
        dismiss();
        return receipt;
      } catch (failure) {
        retrying = undefined;
        throw failure;
      }
    }
    return Object.freeze({ id, name, input, error, dismiss, retry: () => (retrying ??= retry()) });
  }

  return {
    list: () => list.value,
    list$: list.asObservable(),
    load(stored) {
      if (stored.length === 0) return;
      list.next([...stored.map((item) => toRejection(item, errorOf(item.error))), ...list.value]);
    },
    add(mutation, error) {
      // Two may say so: the relay, and the tab that sent it.
      if (list.value.every(({ id }) => id !== mutation.id)) list.next([...list.value, toRejection(mutation, error)]);
    },
    disproved(ids) {
      for (const item of list.value) if (ids.includes(item.id)) item.dismiss();
    },
    forget,
    close: () => list.complete(),
  };
}
