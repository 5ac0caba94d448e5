import { CotableError } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import { checkCall, runAndCommit, type MutatorResult } from '../mutation/run.ts';
import { measureMutation } from '../protocol/measure.ts';
import { MAX_FRAME_BYTES } from '../protocol/limits.ts';
import { createDeferred, quiet } from '../util/deferred.ts';
import type { JsonValue } from '../util/json.ts';
import type { Core } from './core.ts';
import type { OutboxCall, PendingMutation } from './replica.ts';
import type { MutationReceipt } from './types.ts';

export interface MutateOptions {
  readonly core: Core;
  /** Present once mutations can run; until then they wait for it. */
  readonly ready: Promise<void>;
  readonly isReady: () => boolean;
  readonly isClosed: () => boolean;
  readonly userId: () => string;
  readonly keep: (mutation: PendingMutation) => Promise<void>;
  readonly committed: (mutation: PendingMutation) => void;
}

/** `store.mutate.name(input)`: see `Store.mutate` for what it promises. */
export function createMutate(options: MutateOptions): (name: string, input: unknown) => Promise<MutationReceipt> {
  const { core } = options;
  let counter = 0;

  function start(name: string, input: JsonValue): Promise<MutationReceipt> {
    counter += 1;
    const key = { replica: core.replicaName, counter };
    const call = { key, id: mutationId(key), name, input, userId: options.userId(), at: Math.floor(core.now()) };
    return Promise.resolve(runAndCommit(core.host, call, (result) => commit(call, result)));
  }

  function commit(call: OutboxCall, result: MutatorResult): MutationReceipt {
    if (options.isClosed()) throw new CotableError('store.closed', {});
    const clock = core.hybrid.next();
    const changes = result.changes(clock);
    const bytes = measureMutation(call.name, changes, result.intents);
    if (bytes > MAX_FRAME_BYTES) {
      throw new CotableError('mutation.tooLarge', { name: call.name, bytes, limit: MAX_FRAME_BYTES });
    }
    const confirmed = createDeferred<void>();
    core.receipts.set(call.id, confirmed);
    const mutation = core.replica.commit(call, clock, result.intents, changes);
    const stored = quiet(options.keep(mutation));
    options.committed(mutation);
    core.publish();
    return { id: call.id, stored, confirmed: confirmed.promise };
  }

  return (name, input) => {
    if (options.isClosed()) return Promise.reject(new CotableError('store.closed', {}));
    try {
      // Checked and copied within the call: what the caller does to its object later is no part of the mutation.
      const checked = checkCall(core.host, name, input);
      return options.isReady() ? start(name, checked) : options.ready.then(() => start(name, checked));
    } catch (error) {
      return Promise.reject(error);
    }
  };
}
