import { memoryRelayDisk, memoryRelayStorage } from '../../adapters/memory/relay-storage.ts';
import { CotableError } from '../errors.ts';
import type { RelayStorage } from '../ports/relay-storage.ts';
import { clone } from '../util/clone.ts';
import { createDiskQueue, type Dropped } from './disk-queue.ts';
import type { RunEvents } from './run-ledger.ts';
import type { Party, Schedule } from './schedule.ts';

/** A relay's disk: a part that is synced, and calls that wait for their turn. */
export interface RelayDisk {
  readonly isIdle: boolean;
  storage(relay: Party): RelayStorage;
  /** The relay is gone, and what was not synced may be lost. */
  forget(relay: Party, keep: (count: number) => number): Dropped;
  /** The next `count` calls fail and change nothing. */
  fail(count: number): void;
  /** Whether a mutation is marked as refused, for ever. */
  hasRefused(room: string, mutation: string): boolean;
  /** The entries of a room that are synced, in order. */
  log(room: string): readonly Uint8Array[];
  /** A room as it is; `undefined` before it is born. */
  room(name: string): RoomOnDisk | undefined;
  /** Whether a run is at work, due at that time or between attempts. */
  hasWork(now: number): boolean;
}

export interface RoomOnDisk {
  readonly epoch: number;
  readonly schemaVersion: number;
  /** Those that the epoch began with, or newer ones of it; `undefined` before there are any. */
  readonly documents: Uint8Array | undefined;
}

/** `synced` hears that something has changed on disk, before the relay does; `failed` of each call that was let fail. */
export function createRelayDisk(options: {
  readonly schedule: Schedule;
  readonly diskTime: () => number;
  readonly synced: () => void;
  readonly failed: () => void;
  readonly runs: RunEvents;
}): RelayDisk {
  const disk = memoryRelayDisk();
  const durable = memoryRelayStorage(disk);
  const queue = createDiskQueue(options.schedule, options.diskTime);
  const { runs } = options;
  let failing = 0;

  function storage(relay: Party): RelayStorage {
    /** `done` hears of the call when it has had its effect. */
    function call<Args extends unknown[], T>(
      run: (...args: Args) => Promise<T>,
      done?: (result: T, ...args: Args) => void,
    ): (...args: Args) => Promise<T> {
      return async (...args) => {
        const copies = clone(args);
        return queue.add(relay, async () => {
          if (failing > 0) {
            failing -= 1;
            options.failed();
            throw new CotableError('storage.unavailable', { reason: 'the simulator lets a call fail' });
          }
          const result = await run(...copies);
          done?.(result, ...copies);
          options.synced();
          return result;
        });
      };
    }
    return {
      description: 'simulated',
      owner: 'relay',
      openRoom: call(durable.openRoom),
      accept: call(durable.accept, (_, __, ___, group) => runs.accepted(group)),
      entries: call(durable.entries),
      outcomes: call(durable.outcomes),
      lastCounters: call(durable.lastCounters),
      refuse: call(durable.refuse),
      writers: call(durable.writers),
      fence: call(durable.fence),
      leaseWriter: call(durable.leaseWriter),
      returnWriter: call(durable.returnWriter),
      saveSnapshot: call(durable.saveSnapshot),
      rebirth: call(durable.rebirth),
      queueRun: call(durable.queueRun, (_, __, run, by) => runs.queued(run, by)),
      claimRun: call(durable.claimRun, (claim, _, run, terms) => runs.claimed(run, terms, claim)),
      renewRuns: call(durable.renewRuns, (names, _, until) => runs.renewed(names, until)),
      releaseRun: call(durable.releaseRun, (_, __, attempt, { counts }) => runs.released(attempt, counts)),
      parkRun: call(durable.parkRun),
      freeRuns: call(durable.freeRuns, (_, now, owner) => runs.freed(now, owner !== undefined)),
      dueUsers: call(durable.dueUsers),
      dueRuns: call(durable.dueRuns),
      nextDue: call(durable.nextDue),
      hasWork: call(durable.hasWork),
      cancelRun: call(durable.cancelRun, (stored) => runs.canceled(stored)),
      redriveRun: call(durable.redriveRun),
      step: call(durable.step),
      keepStep: call(durable.keepStep, (_, __, attempt) => runs.stepKept(attempt)),
      run: call(durable.run),
      listRuns: call(durable.listRuns),
      purgeRuns: call(durable.purgeRuns),
      keepStreams: call(durable.keepStreams),
      keptStreams: call(durable.keptStreams),
      close: call(async () => undefined),
    };
  }

  return {
    get isIdle() {
      return queue.isIdle;
    },
    storage,
    forget: (relay, keep) => queue.drop(relay, keep),
    fail(count) {
      failing += count;
    },
    hasRefused(room, mutation) {
      const [replica = '', counter] = mutation.split('-');
      const mark = disk.rooms.get(room)?.marks.get(`${parseInt(replica, 36)}/${counter}`);
      return mark !== undefined && 'refusal' in mark;
    },
    log: (room) => disk.rooms.get(room)?.log ?? [],
    room(name) {
      const { birth, snapshot } = disk.rooms.get(name) ?? {};
      return birth && { epoch: birth.epoch, schemaVersion: birth.schemaVersion, documents: snapshot?.bytes };
    },
    hasWork: (now) =>
      [...disk.runs.open].some(
        ({ lease, notBefore, parked, tries, interruptions }) =>
          parked !== 'start' && (lease !== undefined || notBefore <= now || tries + interruptions > 0),
      ),
  };
}
