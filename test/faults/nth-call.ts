import { CotableError, type ClientStorage } from 'cotable';
import type { RelayStorage } from 'cotable/relay';

/** `lost`: nothing of the call happened. `unheard`: all of it did, and only the answer was lost. */
export type Way = 'lost' | 'unheard';

/** Counts calls; one of them fails. */
export interface NthCall {
  readonly count: number;
  /** The name of the call that failed. */
  readonly failed: string | undefined;
  call<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** `nth` counts from 1; 0: none fails. */
export function createNthCall(nth: number, way: Way): NthCall {
  let count = 0;
  let failed: string | undefined;
  return {
    get count() {
      return count;
    },
    get failed() {
      return failed;
    },
    async call(name, run) {
      count += 1;
      if (count !== nth) return run();
      failed = name;
      if (way === 'unheard') await run();
      throw new CotableError('storage.unavailable', { reason: `call ${nth} fails: ${name}` });
    },
  };
}

/** All calls of a relay storage but its end. */
export function failingRelayStorage(real: RelayStorage, nth: NthCall): RelayStorage {
  return {
    description: real.description,
    owner: real.owner,
    openRoom: (...args) => nth.call('openRoom', () => real.openRoom(...args)),
    accept: (...args) => nth.call('accept', () => real.accept(...args)),
    entries: (...args) => nth.call('entries', () => real.entries(...args)),
    outcomes: (...args) => nth.call('outcomes', () => real.outcomes(...args)),
    lastCounters: (...args) => nth.call('lastCounters', () => real.lastCounters(...args)),
    refuse: (...args) => nth.call('refuse', () => real.refuse(...args)),
    writers: (...args) => nth.call('writers', () => real.writers(...args)),
    fence: (...args) => nth.call('fence', () => real.fence(...args)),
    leaseWriter: (...args) => nth.call('leaseWriter', () => real.leaseWriter(...args)),
    returnWriter: (...args) => nth.call('returnWriter', () => real.returnWriter(...args)),
    saveSnapshot: (...args) => nth.call('saveSnapshot', () => real.saveSnapshot(...args)),
    rebirth: (...args) => nth.call('rebirth', () => real.rebirth(...args)),
    queueRun: (...args) => nth.call('queueRun', () => real.queueRun(...args)),
    claimRun: (...args) => nth.call('claimRun', () => real.claimRun(...args)),
    renewRuns: (...args) => nth.call('renewRuns', () => real.renewRuns(...args)),
    releaseRun: (...args) => nth.call('releaseRun', () => real.releaseRun(...args)),
    parkRun: (...args) => nth.call('parkRun', () => real.parkRun(...args)),
    freeRuns: (...args) => nth.call('freeRuns', () => real.freeRuns(...args)),
    dueUsers: (...args) => nth.call('dueUsers', () => real.dueUsers(...args)),
    dueRuns: (...args) => nth.call('dueRuns', () => real.dueRuns(...args)),
    nextDue: (...args) => nth.call('nextDue', () => real.nextDue(...args)),
    hasWork: (...args) => nth.call('hasWork', () => real.hasWork(...args)),
    cancelRun: (...args) => nth.call('cancelRun', () => real.cancelRun(...args)),
    redriveRun: (...args) => nth.call('redriveRun', () => real.redriveRun(...args)),
    step: (...args) => nth.call('step', () => real.step(...args)),
    keepStep: (...args) => nth.call('keepStep', () => real.keepStep(...args)),
    run: (...args) => nth.call('run', () => real.run(...args)),
    listRuns: (...args) => nth.call('listRuns', () => real.listRuns(...args)),
    purgeRuns: (...args) => nth.call('purgeRuns', () => real.purgeRuns(...args)),
    keepStreams: (...args) => nth.call('keepStreams', () => real.keepStreams(...args)),
    keptStreams: (...args) => nth.call('keptStreams', () => real.keptStreams(...args)),
    close: () => real.close(),
  };
}

/** All calls of a device's storage but its end. */
export function failingClientStorage(real: ClientStorage, nth: NthCall): ClientStorage {
  return {
    async open(name) {
      const database = await nth.call('open', () => real.open(name));
      return {
        durable: database.durable,
        range: (...args) => nth.call('range', () => database.range(...args)),
        write: (...args) => nth.call('write', () => database.write(...args)),
        update: (...args) => nth.call('update', () => database.update(...args)),
        close: () => database.close(),
      };
    },
  };
}

/** Works on all of them, `together` at a time: most of what they do is to wait for a link. */
export async function inBatches<T>(all: readonly T[], together: number, work: (item: T) => Promise<void>): Promise<void> {
  for (let first = 0; first < all.length; first += together) await Promise.all(all.slice(first, first + together).map(work));
}
