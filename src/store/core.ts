import type { CotableError } from '../errors.ts';
import { mutationId, randomName } from '../mutation/mutation-id.ts';
import type { MutatorFunctions, MutatorHost } from '../mutation/run.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { StorageBatch, StorageKey, StorageValue } from '../ports/client-storage.ts';
import type { AckRecord, EntryRecord } from '../protocol/records.ts';
import type { AnySchema } from '../schema/schema.ts';
import type { Deferred } from '../util/deferred.ts';
import { createHybridClock, type HybridClock } from '../util/hlc.ts';
import type { Journal } from './journal.ts';
import { rebuild } from './rebuild.ts';
import { createReplica, NOTHING_CONFIRMED, type Confirmed, type OutboxCall, type PendingMutation, type Replica } from './replica.ts';
import { confirmBatch, foldBatch, installBatch, keys, outboxPut, type Stored, type StoredDevice, type StoredMutation } from './stored.ts';
import { createStreams, type Streams } from './streams.ts';
import type { TableChanges } from './table-state.ts';

/** A device keeps this many entries before it folds them into its documents, at a start or a rebuild. */
const FOLD_LOG_AFTER = 500;

export interface CoreOptions {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly room: string;
  readonly userId: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** What happens in the core that others show or act on. */
export interface CoreEvents {
  /** Rows changed, all tables together; `pending` too may have. */
  changed(tables: ReadonlyMap<string, TableChanges>): void;
  /** A mutation will never be confirmed. */
  rejected(mutation: PendingMutation, error: CotableError): void;
  /** The device cannot keep something any more. */
  notKept(error: CotableError): void;
  /** There may be something to send. */
  sendable(): void;
}

/** The state of one open store: its replica, what of it is on disk, and the few ways in which both change. */
export interface Core {
  readonly host: MutatorHost;
  /** Names the mutations made in this open of the store. */
  readonly replicaName: number;
  readonly hybrid: HybridClock;
  readonly replica: Replica;
  readonly streams: Streams;
  readonly device: StoredDevice;
  /** Writers that may still carry what is pending: the relay must fence them before anything of it is sent again. */
  readonly fence: ReadonlySet<number>;
  /** Whether everything written so far is, or will be, on the device. */
  readonly isKept: boolean;
  /** Whether documents and rows still hold what was taken out of the outbox. */
  readonly mustRebuild: boolean;
  /** Mutations on their way to the disk; they may not be sent yet. */
  isUnstored(id: string): boolean;
  /** Resolved or rejected by id when the relay has judged a mutation. */
  readonly receipts: Map<string, Deferred<void>>;
  /** The wall clock as the relay would read it. */
  now(): number;
  /** The wall clock of the device itself. */
  localNow(): number;
  /** The relay has told its time, and fenced these writers. */
  welcomed(clockOffset: number, fenced: readonly number[]): void;
  load(journal: Journal): Promise<Stored>;
  /** Writes a mutation that has just been committed; resolves when it is on disk. */
  keep(mutation: PendingMutation): Promise<void>;
  /** For what is written besides, when nobody can wait for it. */
  writeQuietly(batch: StorageBatch): void;
  /** Tells observers what has changed since the last time. */
  publish(): void;
  confirm(records: readonly (EntryRecord | AckRecord)[]): void;
  /** Takes mutations that were refused out of the outbox. A rebuild must follow; their callers hear of it then. */
  reject(refused: ReadonlyMap<string, CotableError>): void;
  /** Takes mutations that are confirmed without having been told of out of the outbox. A rebuild must follow. */
  settle(accepted: readonly OutboxCall[]): void;
  /** Goes the road back from what is on disk, and judges what cannot run again. */
  replay(ceiling: number): Promise<void>;
  /** Gives up a writer that the relay has fenced: what is pending runs again under a new one. */
  renew(): Promise<void>;
  /** Takes a snapshot, with the entries since, in the place of all that was confirmed, replays what is pending, and judges what cannot run again. */
  install(confirmed: Confirmed, ceiling: number): Promise<void>;
}

export function createCore(options: CoreOptions, events: CoreEvents): Core {
  const { schema, clock, random } = options;
  let journal: Journal | undefined;
  let isKept = true;
  let mustRebuild = false;
  let replica = createReplica(schema, randomName(random), NOTHING_CONFIRMED);
  let device: StoredDevice = {
    format: 1,
    schemaVersion: schema.schemaVersion,
    deviceId: randomName(random).toString(36),
    clockOffset: 0,
  };
  const fence = new Set<number>();
  /** Refused, and still to be seen until the rebuild is done. */
  const rejected: [PendingMutation, CotableError][] = [];
  /** How many writes of each mutation are under way. */
  const unstored = new Map<string, number>();
  const receipts = new Map<string, Deferred<void>>();
  const now = (): number => clock.now() + device.clockOffset;
  const hybrid = createHybridClock(now);
  const streams = createStreams(() => replica.tables);
  const staticHost = { schema, mutators: options.mutators, room: options.room };

  async function write(batch: StorageBatch): Promise<void> {
    try {
      await journal?.write(batch);
    } catch (error) {
      isKept = false;
      // The journal rejects with errors of the catalogue only.
      events.notKept(error as CotableError);
      throw error;
    }
  }

  /** For writes that nobody waits for: `notKept` has told of a failure. */
  function writeQuietly(batch: StorageBatch): void {
    write(batch).then(undefined, () => undefined);
  }

  function publish(): void {
    const changed = new Map<string, TableChanges>();
    for (const [name, table] of replica.tables) {
      const changes = table.takeChanges();
      if (changes.touched.size > 0) changed.set(name, changes);
    }
    events.changed(changed);
  }

  function reject(refused: ReadonlyMap<string, CotableError>): void {
    const put: [StorageKey, StorageValue][] = [];
    const gone: StorageKey[] = [];
    for (const [id, error] of refused) {
      const mutation = replica.pending.get(id);
      if (!mutation) continue;
      const { key, name, input, userId, at } = mutation;
      put.push([keys.rejected(key), { key, id, name, input, userId, at, error: { code: error.code, params: error.params } }]);
      gone.push(keys.outbox(key));
      replica.forget(id);
      mustRebuild = true;
      rejected.push([mutation, error]);
    }
    if (gone.length > 0) writeQuietly({ put, delete: gone });
  }

  function settle(accepted: readonly OutboxCall[]): void {
    for (const { id } of accepted) {
      replica.forget(id);
      mustRebuild = true;
      resolveReceipt(id);
    }
    if (accepted.length > 0) writeQuietly({ delete: accepted.map(({ key }) => keys.outbox(key)) });
  }

  function tellRejected(): void {
    for (const [mutation, error] of rejected.splice(0)) {
      events.rejected(mutation, error);
      receipts.get(mutation.id)?.reject(error);
      receipts.delete(mutation.id);
    }
  }

  /** The writer for a rebuilt replica: the same only while nobody else can have heard of it. */
  function nextWriter(): number {
    return replica.hasSent ? randomName(random) : replica.writer;
  }

  async function build(
    confirmed: Confirmed,
    pending: Iterable<StoredMutation | PendingMutation>,
    ceiling: number,
    isFinal: boolean,
  ): Promise<void> {
    const carriers: number[] = [];
    // Another tab may have written to this device's log what is pending here.
    const confirmedIds = new Set(confirmed.entries.map((entry) => mutationId(entry.key)));
    const settled: OutboxCall[] = [];
    function* unsettled(): Generator<StoredMutation | PendingMutation> {
      for (const mutation of pending) {
        carriers.push(mutation.writer);
        if (confirmedIds.has(mutation.id)) settled.push(mutation);
        else yield mutation;
      }
    }
    await rebuild({
      schema,
      host: staticHost,
      writer: nextWriter(),
      confirmed,
      pending: unsettled(),
      ceiling,
      confirmedReady(fresh) {
        for (const table of fresh.tables.values()) hybrid.see(table.highestClock);
        if (confirmed.entries.length < FOLD_LOG_AFTER) return;
        writeQuietly(foldBatch(confirmed, fresh.encode()));
      },
      finish({ replica: fresh, failed }) {
        const changed = new Map<string, TableChanges>();
        streams.closeUpTo(fresh.seq);
        streams.showIn(fresh.tables);
        for (const [name, table] of fresh.tables) {
          const old = replica.tables.get(name);
          if (old) changed.set(name, table.replace(old));
        }
        const former = [...(replica.hasSent ? [replica.writer] : []), ...carriers].filter((writer) => writer !== fresh.writer);
        for (const writer of former) fence.add(writer);
        replica = fresh;
        settle(settled);
        keepAll([...fresh.pending.values()]);
        events.changed(changed);
        // Those have left nothing in the fresh replica.
        if (isFinal) reject(failed);
        mustRebuild = false;
        tellRejected();
        publish();
      },
    });
  }

  /** What ran again has other bytes and another writer now: both are on disk before anything of it is sent. */
  function keepAll(mutations: readonly PendingMutation[]): void {
    for (const mutation of mutations) {
      hybrid.see(mutation.clock);
      unstored.set(mutation.id, (unstored.get(mutation.id) ?? 0) + 1);
    }
    const written = (): void => {
      for (const mutation of mutations) isWritten(mutation.id);
      events.sendable();
    };
    const fences = [...fence].map((writer): [StorageKey, StorageValue] => [keys.fence(writer), true]);
    write({ put: [...fences, ...mutations.map(outboxPut)] }).then(written, written);
  }

  function isWritten(id: string): void {
    const rest = (unstored.get(id) ?? 1) - 1;
    if (rest > 0) unstored.set(id, rest);
    else unstored.delete(id);
  }

  return {
    host: {
      ...staticHost,
      source(table) {
        const state = replica.tables.get(table);
        if (!state) throw new Error(`there is no table ${table}`);
        return state;
      },
    },
    replicaName: randomName(random),
    hybrid,
    streams,
    writeQuietly,
    isUnstored: (id) => unstored.has(id),
    receipts,
    now,
    localNow: clock.now,
    publish,
    reject,
    settle,
    get replica() {
      return replica;
    },
    get device() {
      return device;
    },
    fence,
    get isKept() {
      return isKept;
    },
    get mustRebuild() {
      return mustRebuild;
    },

    welcomed(clockOffset, fenced) {
      for (const writer of fenced) fence.delete(writer);
      device = { ...device, clockOffset };
      writeQuietly({ put: [[keys.device, device]], delete: fenced.map(keys.fence) });
    },

    async load(opened) {
      const stored = await opened.load();
      journal = opened;
      const { schemaVersion } = schema;
      for (const writer of stored.fence) fence.add(writer);
      device = { ...(stored.device ?? device), schemaVersion };
      if (stored.device?.schemaVersion !== schemaVersion) writeQuietly({ put: [[keys.device, device]] });
      await build(stored.confirmed, stored.outbox, Number.MAX_SAFE_INTEGER, false);
      return stored;
    },

    async keep(mutation) {
      unstored.set(mutation.id, (unstored.get(mutation.id) ?? 0) + 1);
      try {
        await write({ put: [outboxPut(mutation)] });
      } finally {
        isWritten(mutation.id);
        events.sendable();
      }
    },

    confirm(records) {
      const fresh = replica.confirm(records);
      if (fresh.length === 0) return;
      streams.closeUpTo(replica.seq);
      writeQuietly(confirmBatch(replica.birth, fresh));
      // Before observers hear of it: what they write at once must be later than what they saw.
      for (const entry of fresh) hybrid.see(entry.clock);
      publish();
      for (const entry of fresh) resolveReceipt(mutationId(entry.key));
    },

    async replay(ceiling) {
      hybrid.lower(ceiling);
      await build(await readBack(), replica.pending.values(), ceiling, true);
    },

    async renew() {
      replica.hasSent = true;
      await build(await readBack(), replica.pending.values(), Number.MAX_SAFE_INTEGER, false);
    },

    async install(confirmed, ceiling) {
      writeQuietly(installBatch({ ...replica.birth, seq: replica.seq }, confirmed));
      hybrid.lower(ceiling);
      await build(confirmed, replica.pending.values(), ceiling, true);
    },
  };

  /** What is confirmed, from disk: everything written before this call is there. */
  async function readBack(): Promise<Confirmed> {
    await write({});
    return (await journal?.load())?.confirmed ?? NOTHING_CONFIRMED;
  }

  function resolveReceipt(id: string): void {
    receipts.get(id)?.resolve();
    receipts.delete(id);
  }
}
