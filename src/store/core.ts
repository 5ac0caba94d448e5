import { CotableError } from '../errors.ts';
import { mutationId } from '../mutation/mutation-id.ts';
import type { MutatorHost } from '../mutation/run.ts';
import type { StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { AckRecord, EntryRecord } from '../protocol/records.ts';
import { createCoreState, type CoreEvents, type CoreOptions } from './core-state.ts';
import type { HybridClock } from '../util/hlc.ts';
import type { Disk } from './disk.ts';
import type { Foreign } from './foreign.ts';
import type { Journal } from './journal.ts';
import { createLogFold } from './log-fold.ts';
import { ownedBy } from './owner.ts';
import {
  NOTHING_CONFIRMED,
  type Confirmed,
  type ForeignMutation,
  type PendingMutation,
  type Replica,
  type WriterStart,
} from './replica.ts';
import { createRoadBack } from './road-back.ts';
import { confirmBatch, devicePut, installBatch, keys, outboxPut, toForeign, type Stored, type StoredDevice } from './stored.ts';
import type { Streams } from './streams.ts';
import type { Accepted, Verdicts } from './verdicts.ts';

/** The state of one open store: its replica, what of it is on disk, and the few ways in which both change. */
export interface Core {
  readonly host: MutatorHost;
  /** Names this open of the store, and the mutations made in it. */
  readonly replicaName: number;
  readonly hybrid: HybridClock;
  readonly replica: Replica;
  readonly disk: Pick<Disk, 'isKept' | 'isOpen' | 'isUnstored' | 'outbox' | 'requests' | 'write' | 'writeQuietly' | 'change' | 'letGo'>;
  /** What other tabs have pending. */
  readonly foreign: Pick<Foreign, 'accepted' | 'withdrawn' | 'sweep' | 'isWaiting'>;
  readonly verdicts: Verdicts;
  readonly streams: Streams;
  readonly device: StoredDevice;
  /** Writers that may still carry what is pending: the relay must fence them before anything of it is sent again. */
  readonly fence: ReadonlySet<number>;
  /** Whether documents and rows still hold what was taken out of the outbox. */
  readonly mustRebuild: boolean;
  /** The wall clock as the relay would read it. */
  now(): number;
  /** The wall clock of the device itself. */
  localNow(): number;
  /** The relay has said whose this device is, and what it may do. What is pending as the device's own runs again as that user's. */
  identified(identity: Pick<StoredDevice, 'userId' | 'isReader' | 'session'>): void;
  /** The relay has told its time, and fenced these writers: nothing that is pending can be accepted as theirs. */
  welcomed(clockOffset: number, fenced: readonly number[]): void;
  /** Reads the device. What is pending there runs again here, or, if `isShared`, is shown as that of other tabs. */
  load(journal: Journal, isShared: boolean): Promise<Stored & { readonly device: StoredDevice }>;
  /** Writes a mutation that has just been committed; resolves when it is on disk. `record` is put for it, left out: one of the outbox. */
  keep(mutation: PendingMutation, record?: [StorageKey, StorageValue]): Promise<void>;
  /** Shows what other tabs have pending. */
  show(mutations: readonly ForeignMutation[]): void;
  /** Something pending is not what it was when it ran, or not this tab's any more: `renew` is due, and nothing is sent before. */
  stale(): void;
  /** Tells observers what has changed since the last time. */
  publish(): void;
  confirm(records: readonly (EntryRecord | AckRecord)[]): void;
  /** Writes as `writer` from now on: nothing is pending, and all that was ever written as it is here. */
  become(writer: WriterStart): void;
  /**
   * Goes the road back from what is on disk, and judges what cannot run again. It runs as `writer`; left out, or when the disk
   * has less than was confirmed here, as somebody new.
   */
  replay(ceiling: number, writer: WriterStart | undefined): Promise<void>;
  /**
   * What this tab is to send runs again, as somebody new where it was sent before. What that is the disk says, since
   * another tab may have taken over what was pending here; `adopted` are taken over from others.
   */
  renew(adopted?: ReadonlySet<string>): Promise<void>;
  /**
   * Takes a snapshot, with the entries since, in the place of all that was confirmed, replays what is pending as `writer`, and
   * judges what cannot run again. `accepted`: those of the outbox that are in it.
   */
  install(confirmed: Confirmed, ceiling: number, writer: WriterStart, accepted: readonly Accepted[]): Promise<void>;
}

export function createCore(options: CoreOptions, events: CoreEvents): Core {
  const state = createCoreState(options, events);
  const { disk, fence, hybrid, foreign, streams, verdicts, replicaName, publish, stale } = state;
  const logFold = createLogFold(state);
  const { build, readBack } = createRoadBack(state, logFold);

  /** What is confirmed cannot be read back: the relay has it. */
  function forget(): void {
    disk.writeQuietly({ deletePrefix: [['doc'], ['log']], delete: [keys.base] });
  }

  /** Whether it holds all that the documents hold which are there: those may have been written by whom these are to be. */
  function isWhole({ lineage, epoch, seq }: Confirmed): boolean {
    const { birth, seq: reached } = state.replica;
    return birth.lineage === lineage && birth.epoch === epoch && seq >= reached;
  }

  return {
    host: state.hostOf(() => state.replica.tables),
    replicaName,
    hybrid,
    disk,
    foreign,
    streams,
    verdicts,
    now: state.now,
    localNow: options.clock.now,
    stale,
    publish,
    get replica() {
      return state.replica;
    },
    get device() {
      return state.device;
    },
    fence,
    get mustRebuild() {
      return state.mustRebuild;
    },

    identified(identity) {
      const before = state.device;
      state.device = { ...before, ...identity };
      if (JSON.stringify(state.device) === JSON.stringify(before)) return;
      disk.writeQuietly({ put: [devicePut(state.device)] });
      // Those of other tabs those tabs see to.
      if ([...state.replica.pending.values()].some((mutation) => ownedBy(state.device, mutation) !== mutation)) state.mustRebuild = true;
    },

    welcomed(clockOffset, fenced) {
      for (const writer of fenced) {
        fence.delete(writer);
        state.fenced.add(writer);
      }
      state.device = { ...state.device, clockOffset };
      disk.writeQuietly({ put: [devicePut(state.device)], delete: fenced.map(keys.fence) });
    },

    async load(opened, isShared) {
      const stored = await disk.load(opened, state.device);
      const { schemaVersion } = options.schema;
      for (const writer of stored.fence) fence.add(writer);
      state.device = { ...stored.device, schemaVersion };
      // A page that is older than what was here before may look, and change nothing.
      if (stored.device.schemaVersion > schemaVersion) disk.letGo();
      else if (stored.device.schemaVersion < schemaVersion) disk.writeQuietly({ put: [devicePut(state.device)] });
      if (stored.leftovers.length > 0) disk.writeQuietly({ delete: stored.leftovers });
      // What tabs of an older version have pending has rows of that version; they do not send any more.
      const isForOthers = isShared && stored.device.schemaVersion >= schemaVersion;
      if (isForOthers) for (const mutation of stored.outbox) state.replica.show(mutation);
      const pending = isForOthers ? [] : stored.outbox;
      const read = new Map(pending.map((mutation) => [mutation.id, mutation]));
      const buildOn = (confirmed: Confirmed): Promise<void> =>
        build({ confirmed, pending, read, ceiling: Number.MAX_SAFE_INTEGER, writer: state.replica.writerStart, isFinal: false });
      if (stored.damage) events.damaged(stored.damage);
      if (stored.isForgotten) forget();
      try {
        await buildOn(stored.confirmed);
      } catch (error) {
        const damage = new CotableError('storage.corrupt', { record: 'the documents' }, { cause: error });
        // Where no relay has them too there is nothing to go on with.
        if (!options.hasRelay) throw damage;
        events.damaged(damage);
        forget();
        await buildOn(NOTHING_CONFIRMED);
      }
      return stored;
    },

    async keep(mutation, record = outboxPut(toForeign(mutation, replicaName))) {
      try {
        await disk.keep(mutation.id, { put: [record] });
      } catch (error) {
        events.kept([mutation], error as CotableError);
        throw error;
      }
      events.kept([mutation]);
    },

    show(mutations) {
      foreign.show(mutations);
      for (const mutation of mutations) hybrid.see(mutation.clock);
      publish();
    },

    confirm(records) {
      const fresh = state.replica.confirm(records);
      if (fresh.length === 0) return;
      const ids = fresh.map((entry) => mutationId(entry.key));
      foreign.confirmed(ids);
      streams.closeUpTo(state.replica.seq);
      disk.writeQuietly(confirmBatch(state.replica.birth, fresh));
      // Before observers hear of it: what they write at once must be later than what they saw.
      for (const entry of fresh) hybrid.see(entry.clock);
      events.arrived(ids);
      publish();
      for (const id of ids) verdicts.confirmed(id);
      if (state.replica.isMisled) stale();
      logFold.grown();
    },

    become: (writer) => state.replica.become(writer),

    async replay(ceiling, writer) {
      hybrid.lower(ceiling);
      const back = await readBack(NONE);
      await build({ ...back, ceiling, writer: isWhole(back.confirmed) ? writer : undefined, isFinal: true });
    },

    async renew(adopted = NONE) {
      const back = await readBack(adopted);
      const writer = isWhole(back.confirmed) ? state.replica.writerStart : undefined;
      await build({ ...back, ceiling: Number.MAX_SAFE_INTEGER, writer, isFinal: false });
    },

    async install(confirmed, ceiling, writer, accepted) {
      const over = [...state.replica.foreign.values()].filter(({ id }) => foreign.isIn(confirmed, id));
      const settled = [...accepted.map(({ mutation }) => mutation), ...over];
      disk.writeQuietly(installBatch({ ...state.replica.birth, seq: state.replica.seq }, confirmed, settled));
      verdicts.settle(accepted);
      hybrid.lower(ceiling);
      await build({ confirmed, pending: state.replica.pending.values(), read: new Map(), ceiling, writer, isFinal: true });
    },
  };
}

const NONE: ReadonlySet<string> = new Set();
