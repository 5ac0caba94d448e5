import { CotableError } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import { checkCall, runAndCommit, type MutatorResult } from '../mutation/run.ts';
import { createDeferred, quiet } from '../util/deferred.ts';
import type { JsonValue } from '../util/json.ts';
import type { MutationKey } from '../ports/relay-storage.ts';
import type { Core } from './core.ts';
import type { OutboxCall, PendingMutation } from './replica.ts';
import type { MutationReceipt } from './types.ts';

export interface MutateOptions {
  readonly core: Core;
  /** Calls at once when mutations can run, otherwise as soon as they can, in the order asked; with an error if they never can. */
  readonly whenReady: (begin: (error?: CotableError) => void) => void;
  /** Why nothing can be written any more. */
  readonly refusal: () => CotableError | undefined;
  readonly userId: () => string;
  readonly keep: (mutation: PendingMutation) => Promise<void>;
  readonly committed: (mutation: PendingMutation) => void;
}

/** `store.mutate.name(input)`: see `Store.mutate` for what it promises. */
export function createMutate(options: MutateOptions): {
  readonly mutate: (name: string, input: unknown) => Promise<MutationReceipt>;
  /** A name that no mutation of this device has or will have. */
  readonly nextKey: () => MutationKey;
} {
  const { core } = options;
  let counter = 0;

  function assertWritable(): void {
    const refusal = options.refusal();
    if (refusal) throw refusal;
  }

  function nextKey(): MutationKey {
    counter += 1;
    return { replica: core.replicaName, counter };
  }

  function start(name: string, input: JsonValue): MutationReceipt | Promise<MutationReceipt> {
    const key = nextKey();
    const call = { key, id: mutationId(key), name, input, userId: options.userId(), at: core.hybrid.time() };
    return runAndCommit(core.host, call, (result) => commit(call, result));
  }

  function commit(call: OutboxCall, result: MutatorResult): MutationReceipt {
    assertWritable();
    const clock = core.hybrid.next();
    const mutation = core.replica.commit(call, clock, result);
    const confirmed = createDeferred<void>();
    core.verdicts.receipts.set(call.id, confirmed);
    const stored = quiet(options.keep(mutation));
    options.committed(mutation);
    core.publish();
    return { id: call.id, stored, confirmed: confirmed.promise };
  }

  const mutate = (name: string, input: unknown): Promise<MutationReceipt> =>
    new Promise((resolve, reject) => {
      assertWritable();
      // Checked and copied within the call: what the caller does to its object later is no part of the mutation.
      const checked = checkCall(core.host, name, input);
      options.whenReady((error) => {
        if (error) return reject(error);
        try {
          resolve(start(name, checked));
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
  return { mutate, nextKey };
}
