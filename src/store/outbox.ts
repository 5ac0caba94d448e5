import { defer, distinctUntilChanged, map, merge, of, Subject, type Observable } from 'rxjs';
import type { OutboxMutation, Replica } from './replica.ts';
import { byOrder } from '../mutation/mutation-id.ts';
import type { OutboxItem } from './types.ts';

/** What is pending on this device, for people to look at. */
export interface Outbox {
  list(): readonly OutboxItem[];
  readonly list$: Observable<readonly OutboxItem[]>;
  /** Something may have changed. */
  touch(): void;
  close(): void;
}

export function createOutbox(replica: () => Replica, isSent: (id: string) => boolean): Outbox {
  const changed$ = new Subject<void>();

  function toItem({ id, name, input, at }: OutboxMutation): OutboxItem {
    return Object.freeze({ id, name, input, at, state: isSent(id) ? 'sent' : 'waiting' });
  }
  function list(): readonly OutboxItem[] {
    const { pending, foreign } = replica();
    return Object.freeze([...pending.values(), ...foreign.values()].sort(byOrder).map(toItem));
  }

  return {
    list,
    list$: defer(() => merge(of(undefined), changed$)).pipe(map(list), distinctUntilChanged(isSame)),
    touch: () => changed$.next(),
    close: () => changed$.complete(),
  };
}

function isSame(a: readonly OutboxItem[], b: readonly OutboxItem[]): boolean {
  return a.length === b.length && a.every(({ id, state }, index) => id === b[index]?.id && state === b[index].state);
}
