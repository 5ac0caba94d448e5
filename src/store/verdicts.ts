import type { CotableError } from '../errors.ts';
import type { StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { Refusal } from '../ports/refusal.ts';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import type { Disk } from './disk.ts';
import type { OutboxCall, Replica } from './replica.ts';
import { keys, refusalOf, rejectedPut } from './stored.ts';

/** What became of a mutation: accepted with the entry `seq`, or refused. */
export type Verdict = { readonly id: string } & ({ readonly seq: number } | { readonly refused: Refusal });

/** A mutation that the relay has judged, although its entry did not come over this tab's link. */
export interface Accepted {
  readonly mutation: OutboxCall;
  readonly seq: number;
}

export interface VerdictEvents {
  /** A mutation will never be confirmed. */
  rejected(mutation: OutboxCall, error: CotableError): void;
  /** These left the outbox. */
  judged(verdicts: readonly Verdict[]): void;
}

/** Takes out of the outbox what was judged, and tells those who wait for it. */
export interface Verdicts {
  /** Resolved or rejected by id when the relay has judged a mutation. */
  readonly receipts: Map<string, Deferred<void>>;
  /** Takes mutations that were refused out of the outbox. A rebuild must follow; their callers hear of it with `tell`. */
  reject(refused: ReadonlyMap<string, CotableError>): void;
  /** The same for what cannot run again, once that is on disk (`rejectedPut`): no rebuild need follow, for it has no effect. */
  rejectKept(refused: ReadonlyMap<string, CotableError>): void;
  /** Takes mutations that are confirmed without having been told of out of the outbox. A rebuild must follow. */
  settle(accepted: readonly Accepted[]): void;
  /** The view is without what was refused: who waits for it hears of it as soon as it is on disk. */
  tell(): void;
  /** Another tab knows that it was refused, and has written it down. */
  refusedElsewhere(mutation: OutboxCall, error: CotableError): void;
  /** The relay says so of what other tabs have pending: they may be gone, or without a way to it, and are told. */
  refusedOfOthers(refused: readonly (readonly [OutboxCall, CotableError])[]): void;
  confirmed(id: string): void;
  /** It will never be kept anywhere. */
  lost(id: string, error: CotableError): void;
}

/** `taken` is called when something was taken out of the outbox that documents and rows still hold. */
export function createVerdicts(
  replica: () => Replica,
  disk: Pick<Disk, 'write' | 'writeQuietly'>,
  events: VerdictEvents,
  taken: () => void,
): Verdicts {
  const receipts = new Map<string, Deferred<void>>();
  /** Refused, and still to be seen until the rebuild is done; each with its way to the disk, where it has to be before it is told. */
  const rejected: [OutboxCall, CotableError, Promise<void>][] = [];

  function tellOne(mutation: OutboxCall, error: CotableError): void {
    events.rejected(mutation, error);
    lost(mutation.id, error);
  }

  function lost(id: string, error: CotableError): void {
    receipts.get(id)?.reject(error);
    receipts.delete(id);
  }

  function confirmed(id: string): void {
    receipts.get(id)?.resolve();
    receipts.delete(id);
  }

  return {
    receipts,
    confirmed,
    lost,
    refusedElsewhere: tellOne,
    refusedOfOthers(refused) {
      const done = (): void => {
        events.judged(refused.map(([{ id }, error]) => ({ id, refused: refusalOf(error) })));
        for (const [mutation, error] of refused) tellOne(mutation, error);
      };
      const put = refused.map(([mutation, error]) => rejectedPut(mutation, error));
      disk.write({ put, delete: refused.map(([{ key }]) => keys.outbox(key)) }).then(done, done);
    },
    reject(refused) {
      const put: [StorageKey, StorageValue][] = [];
      const gone: StorageKey[] = [];
      const verdicts: Verdict[] = [];
      const kept = createDeferred<void>();
      for (const [id, error] of refused) {
        const mutation = replica().pending.get(id);
        if (!mutation) continue;
        put.push(rejectedPut(mutation, error));
        gone.push(keys.outbox(mutation.key));
        verdicts.push({ id, refused: refusalOf(error) });
        replica().forget(id);
        rejected.push([mutation, error, kept.promise]);
      }
      if (gone.length === 0) return;
      taken();
      const done = (): void => {
        kept.resolve();
        events.judged(verdicts);
      };
      // Where nothing can be kept it is told all the same.
      disk.write({ put, delete: gone }).then(done, done);
    },
    rejectKept(refused) {
      events.judged([...refused].map(([id, error]) => ({ id, refused: refusalOf(error) })));
      for (const [id, error] of refused) {
        const mutation = replica().pending.get(id);
        replica().forget(id);
        if (mutation) tellOne(mutation, error);
      }
    },
    settle(accepted) {
      if (accepted.length === 0) return;
      for (const { mutation } of accepted) {
        replica().forget(mutation.id);
        confirmed(mutation.id);
      }
      taken();
      disk.writeQuietly({ delete: accepted.map(({ mutation }) => keys.outbox(mutation.key)) });
      events.judged(accepted.map(({ mutation, seq }) => ({ id: mutation.id, seq })));
    },
    tell() {
      for (const [mutation, error, kept] of rejected.splice(0)) void kept.then(() => tellOne(mutation, error));
    },
  };
}
